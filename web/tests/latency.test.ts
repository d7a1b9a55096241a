import { expect, test } from "vitest";

import { Scene } from "./calls";

test("an answer's time runs from the end of the turn to the first sound", () => {
  const scene = new Scene().up().hears("user-stopped-speaking").hears("bot-llm-started", {}, 200);
  scene.hears("bot-started-speaking", {}, 300);
  expect(scene.state.latencies).toEqual([500]);
});

test("what the assistant says by itself has no such time", () => {
  const scene = new Scene().up().hears("bot-started-speaking").hears("bot-stopped-speaking");
  expect(scene.hears("bot-started-speaking").state.latencies).toEqual([]);
});

test("a turn that is answered in two pieces counts once", () => {
  const scene = new Scene().up().type("hello").hears("bot-started-speaking", {}, 400);
  scene.hears("bot-stopped-speaking").hears("bot-started-speaking");
  expect(scene.state.latencies).toEqual([400]);
});

test("what an interrupted sentence leaves behind does not answer the next turn", () => {
  const scene = new Scene().up().hears("bot-started-speaking").type("stop");
  scene.hears("bot-stopped-speaking");
  expect(scene.state.phase).toBe("thinking");
  expect(scene.hears("bot-started-speaking", {}, 700).state.latencies).toEqual([1_700]);
});
