import type { SessionPage } from "../api";
import type { View } from "../watch";
import { clock, counted, refusal } from "../words";

/** What is out of the ordinary; said once, as it begins. */
export function Notices({ view, page }: { view: View; page: SessionPage }) {
  const notices = noticesOf(view, page);
  return (
    <div class="notices" aria-live="polite">
      {notices.map(({ grave, title, words }) => (
        <p key={title} class={grave ? "notice grave" : "notice"}>
          <strong>{title}</strong> {words}
        </p>
      ))}
    </div>
  );
}

interface Notice {
  grave: boolean;
  title: string;
  words: string;
}

function noticesOf(view: View, page: SessionPage): Notice[] {
  if (view.phase.name === "gone") return [goneNotice(view.phase, page)];
  const notices: Notice[] = [];
  if (page.draining) {
    notices.push({
      grave: false,
      title: "The server drains.",
      words: `It takes no more callers, and stops when its sessions have ended${
        view.info === null ? "" : `, within ${view.info.drain_timeout_s} s`
      }.`,
    });
  } else if (view.readiness?.status === "stalled") {
    notices.push({
      grave: true,
      title: "No process takes callers.",
      words: "Their event loops stand still, or did of late: see the log for what blocks them.",
    });
  }
  if (page.silent_processes > 0) {
    notices.push({
      grave: true,
      title: `${counted(page.silent_processes, "process").replace("processs", "processes")} did not answer.`,
      words: "Its sessions are missing below, go on, and cannot be ended from here.",
    });
  }
  if (view.figures === null) {
    notices.push({
      grave: false,
      title: "The metrics could not be read.",
      words: "The figures are missing until they can be; the sessions are complete.",
    });
  }
  return notices;
}

function goneNotice(phase: Extract<View["phase"], { name: "gone" }>, page: SessionPage): Notice {
  const since = `since ${clock(phase.since)}`;
  if (phase.problem !== null) {
    return {
      grave: true,
      title: `The server refuses to answer ${since}.`,
      words: `${refusal(phase.problem)} What is shown is how it was.`,
    };
  }
  return page.draining
    ? {
        grave: false,
        title: `The server has stopped, ${since}.`,
        words: "It was draining. This page goes on by itself when one answers here again.",
      }
    : {
        grave: true,
        title: `The server does not answer ${since}.`,
        words: "What is shown is how it was. It is asked again every two seconds.",
      };
}
