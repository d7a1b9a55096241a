/** Numbers of the last while: sums, quantiles of histograms, and lines to draw. */

import type { Increment } from "./counters";

interface Timed<T> {
  at: number;
  value: T;
}

/** What came in the last while, by time in milliseconds. */
export class Recent<T> {
  readonly #span: number;
  #items: Timed<T>[] = [];

  /** Keep what is younger than `spanMs`. */
  constructor(spanMs: number) {
    this.#span = spanMs;
  }

  /** Add something, and forget what is too old. */
  add(at: number, value: T): void {
    this.#items.push({ at, value });
    this.#items = this.#items.filter((item) => item.at > at - this.#span);
  }

  /** Everything that is kept, the oldest first. */
  get items(): readonly Timed<T>[] {
    return this.#items;
  }

  /** Everything that is kept, without its time. */
  get values(): readonly T[] {
    return this.#items.map((item) => item.value);
  }
}

/** A quantile; `above` says that it is in the last bucket, which has no end. */
export interface Quantile {
  seconds: number;
  above: boolean;
}

type Buckets = ReadonlyMap<number, number>;

/** A histogram of what was observed in the last while. */
export class RecentHistogram {
  readonly #name: string;
  readonly #looks: Recent<Buckets>;

  /** Follow the histogram of one name for `spanMs`. */
  constructor(name: string, spanMs: number) {
    this.#name = name;
    this.#looks = new Recent(spanMs);
  }

  /** Add what grew since the last look. */
  add(at: number, increments: readonly Increment[]): void {
    const buckets = new Map<number, number>();
    for (const { name, labels, by } of increments) {
      if (name !== `${this.#name}_bucket`) continue;
      const end = labels["le"] === "+Inf" ? Infinity : Number(labels["le"]);
      buckets.set(end, (buckets.get(end) ?? 0) + by);
    }
    this.#looks.add(at, buckets);
  }

  /** How much was observed. */
  get count(): number {
    return this.#summed().get(Infinity) ?? 0;
  }

  /** A quantile of it; null if nothing was observed. */
  quantile(q: number): Quantile | null {
    return quantileOf(this.#summed(), q);
  }

  #summed(): Buckets {
    const sums = new Map<number, number>();
    for (const buckets of this.#looks.values) {
      for (const [end, count] of buckets) sums.set(end, (sums.get(end) ?? 0) + count);
    }
    return sums;
  }
}

/**
 * Find a quantile in cumulative buckets; null if they are empty.
 *
 * Source: `histogram_quantile` of Prometheus: within a bucket, what is in it is taken to be spread
 * evenly.
 */
export function quantileOf(buckets: Buckets, q: number): Quantile | null {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const total = buckets.get(Infinity) ?? 0;
  if (total <= 0) return null;
  let below = 0;
  let begin = 0;
  for (const [end, count] of sorted) {
    if (count >= q * total) {
      if (end === Infinity) return { seconds: begin, above: true };
      const share = count === below ? 1 : (q * total - below) / (count - below);
      return { seconds: begin + (end - begin) * share, above: false };
    }
    [begin, below] = [end, count];
  }
  return { seconds: begin, above: true };
}
