import { useEffect, useRef } from "preact/hooks";

/** How often it is drawn: as often as one can follow, and hardly where motion is not wanted. */
const EVERY_MS = 66;
const CALM_MS = 400;

/** How loud something is, drawn past the rest of the page. */
export function Meter({
  level,
  bars,
  label,
}: {
  level: () => number;
  bars: number;
  label: string;
}) {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const parts = [...(element.current?.children ?? [])] as HTMLElement[];
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    return drawn(parts, level, calm ? CALM_MS : EVERY_MS);
  }, [level]);
  return (
    <div class="meter" ref={element} role="img" aria-label={label}>
      {Array.from({ length: bars }, (_, index) => (
        <span key={index} />
      ))}
    </div>
  );
}

/** Draw levels from the middle outwards, the newest first; returns how to stop. */
function drawn(parts: readonly HTMLElement[], level: () => number, every_ms: number): () => void {
  const past = new Array<number>(parts.length).fill(0);
  const shown = new Array<string>(parts.length).fill("");
  const middle = (parts.length - 1) / 2;
  const timer = setInterval(() => {
    past.unshift(level());
    past.pop();
    for (const [index, part] of parts.entries()) {
      const height = (past[Math.floor(Math.abs(index - middle))] ?? 0).toFixed(2);
      if (height !== shown[index]) {
        shown[index] = height;
        part.style.setProperty("--height", height);
      }
    }
  }, every_ms);
  return () => {
    clearInterval(timer);
  };
}
