import { describe, expect, it } from "vitest";

import { MetricsWatch } from "../../src/operator/figures";

/** What two processes say, after so many messages, refusals and answers. */
function exposition(messages: number, refused: number, answers: number): string {
  return [
    'trunkline_sessions{process="0",assistant="acme",state="ready"} 2.0',
    'trunkline_sessions{process="1",assistant="acme",state="detached"} 1.0',
    'trunkline_sessions{process="1",assistant="desk",state="ready"} 4.0',
    'trunkline_sessions_limit{process="0"} 20.0',
    'trunkline_sessions_limit{process="1"} 20.0',
    `trunkline_admissions_refused_total{process="0",reason="full"} ${refused}`,
    'trunkline_admissions_refused_total{process="0",reason="draining"} 0.0',
    `trunkline_messages_total{process="0",direction="in",kind="data"} ${messages}`,
    `trunkline_message_bytes_total{process="0",direction="in",kind="data"} ${messages * 100}`,
    `trunkline_first_answer_seconds_bucket{process="0",assistant="acme",le="0.5"} ${answers}`,
    `trunkline_first_answer_seconds_bucket{process="0",assistant="acme",le="+Inf"} ${answers}`,
  ].join("\n");
}

describe("the figures", () => {
  it("are those of all processes together", () => {
    const figures = new MetricsWatch().look(0, exposition(0, 3, 0), 0);
    expect(figures.sessions).toBe(7);
    expect(figures.limit).toBe(40);
    expect(figures.byState).toEqual({ starting: 0, ready: 6, detached: 1, draining: 0 });
    expect(figures.assistants).toEqual(["acme", "desk"]);
    expect(figures.refused).toEqual({ recent: 0, sinceStart: [["full", 3]] });
  });

  it("have what happened since the page was opened, and no more", () => {
    const metrics = new MetricsWatch();
    expect(metrics.look(0, exposition(1000, 3, 50), 0).received).toBeNull();
    const figures = metrics.look(2000, exposition(1010, 5, 54), 1);
    expect(figures.received).toEqual({ messages: 5, bytes: 500 });
    expect(figures.sent).toEqual({ messages: 0, bytes: 0 });
    expect(figures.refused.recent).toBe(2);
    expect(figures.answer.count).toBe(4);
    expect(figures.answer.median).toEqual({ seconds: 0.25, above: false });
    expect(figures.lag.high).toBeNull();
  });

  it("are drawn over the last minutes, with gaps where nothing was measured", () => {
    const metrics = new MetricsWatch();
    metrics.look(0, exposition(0, 0, 0), 0);
    const { lines } = metrics.look(2000, exposition(0, 0, 4), 3);
    expect(lines.sessions.map(({ value }) => value)).toEqual([7, 7]);
    expect(lines.waiting.map(({ value }) => value)).toEqual([0, 3]);
    expect(lines.answer.map(({ value }) => value)).toEqual([null, 0.25]);
    const later = metrics.look(400_000, exposition(0, 0, 4), 0);
    expect(later.lines.sessions).toHaveLength(1);
  });
});
