import { useEffect, useRef } from "preact/hooks";

/** How loud something is, drawn as often as the screen is, past the rest of the page. */
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
    const past = new Array<number>(parts.length).fill(0);
    const middle = (parts.length - 1) / 2;
    let request = 0;
    const draw = () => {
      past.unshift(level());
      past.pop();
      for (const [index, part] of parts.entries()) {
        // The newest is in the middle, and runs outwards.
        const height = past[Math.floor(Math.abs(index - middle))] ?? 0;
        part.style.setProperty("--height", height.toFixed(3));
      }
      request = requestAnimationFrame(draw);
    };
    request = requestAnimationFrame(draw);
    return () => {
      cancelAnimationFrame(request);
    };
  }, [level]);
  return (
    <div class="meter" ref={element} role="img" aria-label={label}>
      {Array.from({ length: bars }, (_, index) => (
        <span key={index} />
      ))}
    </div>
  );
}
