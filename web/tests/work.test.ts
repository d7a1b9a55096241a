import { expect, test } from "vitest";

import type { Tool, Work } from "../src/call/state";
import { Scene } from "./calls";

const job = (task: string, state: string, more: Readonly<Record<string, unknown>> = {}) => ({
  ...{ trunkline: "job", id: "round 1", task, asked_by: "moderator", name: "argue", state },
  ...more,
});

test("a tool is called and answers", () => {
  const scene = new Scene().up().hears("llm-function-call-in-progress", {
    function_name: "set",
    tool_call_id: "1",
    arguments: { target: 25, unit: "°C" },
  });
  const shown = () => scene.state.entries[0] as Tool;
  expect(shown()).toMatchObject({ name: "set", state: "running" });
  expect(shown().asked).toEqual([
    ["target", "25"],
    ["unit", "°C"],
  ]);
  scene.hears("llm-function-call-stopped", { tool_call_id: "1" });
  expect(shown().state).toBe("done");
});

test("a tool that is given up says so", () => {
  const scene = new Scene().up().hears("llm-function-call-in-progress", { tool_call_id: "1" });
  scene.hears("llm-function-call-stopped", { tool_call_id: "1", cancelled: true });
  expect(scene.state.entries[0]).toMatchObject({ name: "a tool", state: "cancelled" });
});

test("the workers of a round stand side by side, those of the next one below", () => {
  const scene = new Scene().up();
  for (const task of ["advocate", "critic", "analyst"]) {
    scene.news(job(task, "started"));
  }
  scene.news(job("critic", "completed", { text: "No." }));
  scene.news(job("advocate", "started", { id: "round 2" }));
  const [first, second] = scene.state.entries as Work[];
  expect(first?.jobs.map(({ task, state, text }) => [task, state, text])).toEqual([
    ["advocate", "started", ""],
    ["critic", "completed", "No."],
    ["analyst", "started", ""],
  ]);
  expect(second?.jobs).toHaveLength(1);
});

test("the pieces of an answer are put together, and the whole takes their place", () => {
  const scene = new Scene().up().news(job("critic", "started"));
  scene.news(job("critic", "update", { text: "On ", piece: true }));
  scene.news(job("critic", "update", { text: "cats", piece: true }));
  const text = () => (scene.state.entries[0] as Work).jobs[0]?.text;
  expect(text()).toBe("On cats");
  scene.news(job("critic", "completed", { text: "On cats: no." }));
  expect(text()).toBe("On cats: no.");
  scene.news(job("critic", "cancelled"));
  expect(text()).toBe("On cats: no.");
});

test("a thermostat is read for as long as a chart is wide", () => {
  const scene = new Scene().up();
  for (let index = 0; index < 400; index += 1) {
    scene.news({ trunkline: "reading", task: "c", temperature_c: index, target_c: 21 });
  }
  expect(scene.state.readings).toHaveLength(300);
  expect(scene.state.readings.at(-1)).toMatchObject({ temperature: 399, target: 21 });
});
