import { describe, expect, it } from "vitest";

import { Counters, grownBy, valueOf, valuesBy } from "../../src/operator/counters";
import type { Sample } from "../../src/operator/exposition";

const ended = (value: number, labels: Record<string, string> = {}): Sample => ({
  name: "ended_total",
  labels,
  value,
});

describe("counters", () => {
  it("have grown by nothing at the first look, then by the difference", () => {
    const counters = new Counters();
    expect(counters.look([ended(7)])).toEqual([]);
    expect(counters.look([ended(7)])).toEqual([]);
    expect(counters.look([ended(9)])).toEqual([{ name: "ended_total", labels: {}, by: 2 }]);
  });

  it("that are new in a process that is known have grown from 0", () => {
    const counters = new Counters();
    counters.look([ended(1, { reason: "idle" })]);
    const grown = counters.look([ended(1, { reason: "idle" }), ended(4, { reason: "ended" })]);
    expect(grown.map(({ by }) => by)).toEqual([4]);
  });

  it("that began anew have grown from 0", () => {
    const counters = new Counters();
    counters.look([ended(100)]);
    expect(counters.look([ended(3)])[0]?.by).toBe(3);
  });

  it("of a process that is seen late have not grown by all that it ever counted", () => {
    const counters = new Counters();
    counters.look([ended(1, { process: "0" })]);
    expect(counters.look([ended(1, { process: "0" }), ended(500, { process: "1" })])).toEqual([]);
    const grown = counters.look([ended(1, { process: "0" }), ended(502, { process: "1" })]);
    expect(grown.map(({ by }) => by)).toEqual([2]);
  });

  it("of a process that was silent are compared with what they were", () => {
    const counters = new Counters();
    counters.look([ended(5, { process: "0" })]);
    counters.look([]);
    expect(counters.look([ended(6, { process: "0" })])[0]?.by).toBe(1);
  });

  it("are the same whatever the order of their labels", () => {
    const counters = new Counters();
    counters.look([ended(5, { a: "1", b: "2" })]);
    expect(counters.look([ended(5, { b: "2", a: "1" })])).toEqual([]);
  });

  it("are not gauges", () => {
    const counters = new Counters();
    counters.look([{ name: "trunkline_sessions", labels: {}, value: 1 }]);
    expect(counters.look([{ name: "trunkline_sessions", labels: {}, value: 5 }])).toEqual([]);
  });
});

describe("sums", () => {
  const samples = [
    ended(1, { process: "0", reason: "idle" }),
    ended(2, { process: "1", reason: "idle" }),
    ended(4, { process: "1", reason: "ended" }),
  ];

  it("are by a label, over the others", () => {
    expect(Object.fromEntries(valuesBy(samples, "ended_total", "reason"))).toEqual({
      idle: 3,
      ended: 4,
    });
    const grown = samples.map(({ name, labels, value }) => ({ name, labels, by: value }));
    expect(grownBy(grown, "ended_total", "process").get("1")).toBe(6);
  });

  it("are null where there is nothing to add up", () => {
    expect(valueOf(samples, "ended_total")).toBe(7);
    expect(valueOf(samples, "another")).toBeNull();
  });
});
