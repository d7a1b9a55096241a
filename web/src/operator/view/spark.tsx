import { HISTORY_MS } from "../figures";
import type { Point } from "../figures";

const WIDTH = 200;
const HEIGHT = 36;

/** A line over the last minutes; its numbers are said beside it. */
export function Spark({
  lines,
  least,
}: {
  lines: readonly { kind: string; points: readonly Point[] }[];
  /** What the height stands for at least, so that noise does not look like an event. */
  least: number;
}) {
  const all = lines.flatMap(({ points }) => points);
  const now = Math.max(0, ...all.map(({ at }) => at));
  const top = Math.max(least, ...all.map(({ value }) => value ?? 0));
  const place = ({ at, value }: Point): [number, number] => [
    WIDTH * (1 - (now - at) / HISTORY_MS),
    HEIGHT - 1.5 - ((value ?? 0) / top) * (HEIGHT - 4),
  ];
  return (
    <svg
      class="spark"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      focusable="false"
    >
      <path class="base" d={`M0 ${HEIGHT - 0.5}H${WIDTH}`} />
      {lines.map(({ kind, points }) => (
        <path key={kind} class={`trace ${kind}`} d={pathOf(points, place)} />
      ))}
    </svg>
  );
}

/** A path that is broken where there is no value. */
function pathOf(points: readonly Point[], place: (point: Point) => [number, number]): string {
  let pen = "M";
  let path = "";
  for (const point of points) {
    if (point.value === null) {
      pen = "M";
      continue;
    }
    const [x, y] = place(point);
    path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  }
  return path;
}
