import { NO_CALL, type CallState } from "../call/state";
import type { Assistant, Services } from "../link/server";

export interface Devices {
  readonly microphones: readonly MediaDeviceInfo[];
  readonly speakers: readonly MediaDeviceInfo[];
  readonly microphone: string;
  readonly speaker: string;
}

/** Everything that the page shows. */
export interface Model {
  /** Whether the server lets us in: nobody knows yet, a token is wanted, or we are in. */
  readonly door: "unknown" | "token" | "open";
  /** Why the server could not be asked, or did not take the token, in words. */
  readonly problem: string | null;
  readonly assistants: readonly Assistant[];
  readonly services: Services | null;
  readonly chosen: string;
  /** Why the last call did not begin, in words. */
  readonly trouble: string | null;
  readonly call: CallState;
  readonly muted: boolean;
  readonly devices: Devices;
}

export const NO_DEVICES: Devices = { microphones: [], speakers: [], microphone: "", speaker: "" };

export const EMPTY: Model = {
  door: "unknown",
  problem: null,
  assistants: [],
  services: null,
  chosen: "",
  trouble: null,
  call: NO_CALL,
  muted: false,
  devices: NO_DEVICES,
};
