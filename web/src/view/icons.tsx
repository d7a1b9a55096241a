/** Drawings of 20 by 20, in the colour of the text around them; names are said elsewhere. */
const PATHS = {
  microphone:
    "M10 2.5a2.5 2.5 0 0 0-2.5 2.5v5a2.5 2.5 0 0 0 5 0V5A2.5 2.5 0 0 0 10 2.5ZM4.5 9.5a5.5 5.5 0 0 0 11 0M10 15v2.5M7 17.5h6",
  muted:
    "M7.5 7.5V10a2.5 2.5 0 0 0 4 2M12.5 9.4V5a2.5 2.5 0 0 0-4.8-1M4.5 9.5a5.5 5.5 0 0 0 8.6 4.5M15.5 9.5c0 .8-.2 1.6-.5 2.3M10 15v2.5M7 17.5h6M3 3l14 14",
  keyboard:
    "M3.5 5h13A1.5 1.5 0 0 1 18 6.500v7A1.5 1.5 0 0 1 16.5 15h-13A1.5 1.5 0 0 1 2 13.500v-7A1.5 1.5 0 0 1 3.5 5ZM5.5 8.200h.01M8.5 8.200h.01M11.5 8.200h.01M14.5 8.200h.01M6.5 12h7",
  send: "M10 16V4.500M5 9.500l5-5 5 5",
  hangUp:
    "M2.7 12.600c4.2-3.8 10.4-3.8 14.6 0l-1.4 2.1-3.4-1.300v-2.300a10 10 0 0 0-5 0v2.300l-3.4 1.3-1.4-2.100Z",
  back: "M12 4.5 6.5 10l5.5 5.5",
  arrow: "M3.5 10h13M11.5 5l5 5-5 5",
  check: "m4.5 10.5 3.5 3.5 7.5-8",
  cross: "m5.5 5.5 9 9M14.5 5.500l-9 9",
  tool: "M12.3 3.200a4 4 0 0 0-4.6 5.300L3.2 13a1.8 1.8 0 0 0 0 2.600l1.2 1.200a1.8 1.8 0 0 0 2.6 0l4.5-4.500a4 4 0 0 0 5.3-4.600l-2.4 2.4-2.5-.5-.5-2.5 2.4-2.400Z",
  line: "M2.5 10h4l2-5 3 10 2-5h4",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** Two stations and the line between them. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 28 20" aria-hidden="true" focusable="false">
      <path d="M7 10h14" />
      <circle cx="5" cy="10" r="3.5" />
      <circle class="far" cx="23" cy="10" r="3.5" />
    </svg>
  );
}
