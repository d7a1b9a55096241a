import { fieldsOf, textOf, type News } from "./messages";
import type { CallState, Job, Tool, ToolState, Work } from "./state";
import { added, closed, lastWhere, replaced } from "./timeline";

const OVER: readonly Job["state"][] = ["completed", "failed", "cancelled", "error"];

/** Tell whether nothing more comes of a job. */
export function isOver(job: Job): boolean {
  return OVER.includes(job.state);
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Take note of a tool that is called. */
export function toolCalled(state: CallState, data: unknown): CallState {
  const fields = fieldsOf(data);
  const call = textOf(fields["tool_call_id"]);
  const name = textOf(fields["function_name"]) || "a tool";
  const asked = Object.entries(fieldsOf(fields["arguments"])).map(
    ([key, value]) => [key, shown(value)] as const,
  );
  return added(closed(state), { kind: "tool", call, name, asked, state: "running" });
}

/** Take note of a tool that has an answer, or is given up. */
export function toolStopped(state: CallState, data: unknown): CallState {
  const fields = fieldsOf(data);
  const call = textOf(fields["tool_call_id"]);
  const tool = lastWhere(
    state,
    (entry): entry is Tool => entry.kind === "tool" && entry.call === call,
  );
  const outcome: ToolState = fields["cancelled"] === true ? "cancelled" : "done";
  return tool === undefined ? state : replaced(state, { ...tool, state: outcome });
}

/** Take note of a job. Jobs that were asked together have one id, and stand side by side. */
export function jobTold(state: CallState, news: Extract<News, { kind: "job" }>): CallState {
  const { id, task, name, text } = news;
  const known = lastWhere(
    state,
    (entry): entry is Work =>
      entry.kind === "work" && entry.jobs.some((job) => job.id === id && job.task === task),
  );
  if (known !== undefined) {
    const jobs = known.jobs.map((job) =>
      job.id === id && job.task === task
        ? { ...job, state: news.state, text: news.piece ? job.text + text : text || job.text }
        : job,
    );
    return replaced(state, { ...known, jobs });
  }
  const job: Job = { id, task, name, state: news.state, text };
  const beside = lastWhere(
    state,
    (entry): entry is Work => entry.kind === "work" && entry.jobs.some((other) => other.id === id),
  );
  return beside === undefined
    ? added(closed(state), { kind: "work", asker: news.asker, jobs: [job] })
    : replaced(state, { ...beside, jobs: [...beside.jobs, job] });
}
