/** Something that has happened. Events do not bubble. */
interface Event {
	readonly type: string;
	readonly target: EventTarget | null;
	readonly currentTarget: EventTarget | null;
	readonly bubbles: boolean;
	readonly cancelable: boolean;
	readonly defaultPrevented: boolean;
	preventDefault(): void;
	stopPropagation(): void;
	/** No further listeners are called. */
	stopImmediatePropagation(): void;
}
declare var Event: { readonly prototype: Event; new (type: string, init?: { bubbles?: boolean; cancelable?: boolean }): Event };

type EventListener = ((event: Event) => void) | { handleEvent(event: Event): void };

/** Something that listeners wait for events of. What a listener throws is logged. */
interface EventTarget {
	addEventListener(type: string, listener: EventListener | null, options?: boolean | { once?: boolean; capture?: boolean; passive?: boolean; signal?: AbortSignal }): void;
	removeEventListener(type: string, listener: EventListener | null): void;
	/** False if a listener has prevented the default. */
	dispatchEvent(event: Event): boolean;
}
declare var EventTarget: { readonly prototype: EventTarget; new (): EventTarget };

/** Says whether something should still be done. */
interface AbortSignal extends EventTarget {
	readonly aborted: boolean;
	/** Why: a DOMException named AbortError or TimeoutError, if nothing else was given. */
	readonly reason: any;
	/** Throws the reason. */
	throwIfAborted(): void;
	onabort: ((event: Event) => void) | null;
}
declare var AbortSignal: {
	readonly prototype: AbortSignal;
	/** A signal that is aborted already. */
	abort(reason?: unknown): AbortSignal;
	/** A signal that is aborted after a time. */
	timeout(milliseconds: number): AbortSignal;
	/** A signal that is aborted with the first of others. */
	any(signals: Iterable<AbortSignal>): AbortSignal;
};

/**
 * Calls something off.
 *
 * @example
 * const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
 */
interface AbortController {
	readonly signal: AbortSignal;
	abort(reason?: unknown): void;
}
declare var AbortController: { readonly prototype: AbortController; new (): AbortController };
