/** The text of base64, with a character for each byte. */
declare function atob(base64: string): string;
/** The base64 of a text in which each character is a byte, up to U+00FF. */
declare function btoa(text: string): string;

/** Makes UTF-8 of text. */
interface TextEncoder {
	readonly encoding: "utf-8";
	encode(text?: string): Uint8Array;
	/** Writes as many whole characters as there is room for. */
	encodeInto(text: string, target: Uint8Array): { read: number; written: number };
}
declare var TextEncoder: { readonly prototype: TextEncoder; new (): TextEncoder };

/** Makes text of bytes. */
interface TextDecoder {
	readonly encoding: string;
	readonly fatal: boolean;
	readonly ignoreBOM: boolean;
	/** With stream, what may go on in the next call is kept for it. */
	decode(data?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string;
}
declare var TextDecoder: {
	readonly prototype: TextDecoder;
	/** Encodings are utf-8, the default, utf-16le, utf-16be and windows-1252, which is also called latin1. */
	new (encoding?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): TextDecoder;
};
