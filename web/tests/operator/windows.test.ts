import { describe, expect, it } from "vitest";

import { quantileOf, Recent, RecentHistogram } from "../../src/operator/windows";

const bucket = (le: string, by: number) => ({ name: "lag_bucket", labels: { le }, by });

describe("the last while", () => {
  it("forgets what is too old", () => {
    const recent = new Recent<string>(1000);
    recent.add(0, "a");
    recent.add(600, "b");
    recent.add(1000, "c");
    expect(recent.values).toEqual(["b", "c"]);
  });
});

describe("a quantile", () => {
  const buckets = new Map([
    [0.1, 50],
    [0.2, 90],
    [Infinity, 100],
  ]);

  it("is spread evenly within its bucket, as Prometheus has it", () => {
    expect(quantileOf(buckets, 0.5)).toEqual({ seconds: 0.1, above: false });
    expect(quantileOf(buckets, 0.25)).toEqual({ seconds: 0.05, above: false });
    expect(quantileOf(buckets, 0.7)?.seconds).toBeCloseTo(0.15);
  });

  it("in the bucket without an end is above the last end", () => {
    expect(quantileOf(buckets, 0.99)).toEqual({ seconds: 0.2, above: true });
  });

  it("of nothing is null", () => {
    expect(quantileOf(new Map(), 0.5)).toBeNull();
    expect(quantileOf(new Map([[Infinity, 0]]), 0.5)).toBeNull();
  });
});

describe("a histogram of the last while", () => {
  it("adds up processes and looks, and forgets old ones", () => {
    const histogram = new RecentHistogram("lag", 1000);
    histogram.add(0, [bucket("1.0", 100), bucket("+Inf", 100)]);
    histogram.add(900, [bucket("0.5", 2), bucket("0.5", 2), bucket("1.0", 4), bucket("+Inf", 4)]);
    expect(histogram.count).toBe(104);
    histogram.add(1500, [{ name: "another_bucket", labels: { le: "+Inf" }, by: 9 }]);
    expect(histogram.count).toBe(4);
    expect(histogram.quantile(0.5)).toEqual({ seconds: 0.25, above: false });
    histogram.add(9000, []);
    expect(histogram.quantile(0.5)).toBeNull();
  });
});
