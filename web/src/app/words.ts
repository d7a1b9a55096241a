import { RefusedError } from "../link/server";

/** Say why a call did not begin, and what to do. */
export function troubleOf(error: unknown): string {
  if (error instanceof DOMException) {
    switch (error.name) {
      case "NotAllowedError":
        return "The microphone is not allowed here. Allow it in the browser's settings for this page, or type instead.";
      case "NotFoundError":
        return "There is no microphone. Connect one and try again, or type instead.";
      case "NotReadableError":
        return "The microphone cannot be opened; another program may have it. Try again, or type instead.";
    }
  }
  if (error instanceof TypeError && !("mediaDevices" in navigator)) {
    return "Browsers open the microphone only over HTTPS or on this machine. Type instead.";
  }
  return problemOf(error);
}

/** Say what went wrong between the page and its server. */
export function problemOf(error: unknown): string {
  if (error instanceof RefusedError) {
    return `The server refused: ${error.message}.`;
  }
  return "The server cannot be reached. Check that it runs, and try again.";
}

/** Write a name for people: `handoff-voices` is "Handoff voices". */
export function titled(name: string): string {
  const words = name.replace(/[-_]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Begin a sentence. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
