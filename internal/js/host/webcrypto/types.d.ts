/** A key for crypto.subtle. */
interface CryptoKey {
	readonly type: "secret" | "public" | "private";
	/** Whether exportKey gives it out. */
	readonly extractable: boolean;
	/** What the key is for: its name, and hash, length, namedCurve or modulusLength. */
	readonly algorithm: { readonly name: string; readonly [parameter: string]: any };
	readonly usages: KeyUsage[];
}
declare var CryptoKey: { readonly prototype: CryptoKey };

interface CryptoKeyPair {
	publicKey: CryptoKey;
	privateKey: CryptoKey;
}

interface JsonWebKey {
	kty?: string;
	crv?: string;
	alg?: string;
	use?: string;
	key_ops?: string[];
	ext?: boolean;
	k?: string;
	n?: string;
	e?: string;
	d?: string;
	p?: string;
	q?: string;
	dp?: string;
	dq?: string;
	qi?: string;
	x?: string;
	y?: string;
	kid?: string;
}

type KeyFormat = "raw" | "pkcs8" | "spki" | "jwk";
type KeyUsage = "encrypt" | "decrypt" | "sign" | "verify" | "deriveKey" | "deriveBits";
type BufferSource = ArrayBuffer | ArrayBufferView;
type HashName = "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512" | { name: string };

interface HmacParams { name: "HMAC"; hash: HashName; /** Bits of a new key. Default: the block of the hash. */ length?: number }
interface RsaParams { name: "RSASSA-PKCS1-v1_5" | "RSA-PSS"; hash: HashName }
interface EcParams { name: "ECDSA"; namedCurve: "P-256" | "P-384" | "P-521" }
interface AesParams { name: "AES-GCM"; /** Bits: 128, 192 or 256. */ length: number }
interface RsaPssParams { name: "RSA-PSS"; /** Bytes, at least 1; in tokens as many as the hash has. */ saltLength: number }
interface EcdsaParams { name: "ECDSA"; hash: HashName }
interface AesGcmParams { name: "AES-GCM"; /** Best of 12 random bytes, never the same twice with one key. */ iv: BufferSource; additionalData?: BufferSource; /** Bits. Default: 128. */ tagLength?: number }
interface Pbkdf2Params { name: "PBKDF2"; hash: HashName; salt: BufferSource; /** At most 1,000,000. */ iterations: number }
interface HkdfParams { name: "HKDF"; hash: HashName; salt: BufferSource; info: BufferSource }

type ImportAlgorithm = "AES-GCM" | "PBKDF2" | "HKDF" | "Ed25519" | { name: "AES-GCM" | "PBKDF2" | "HKDF" | "Ed25519" } | HmacParams | RsaParams | EcParams;
type SignAlgorithm = "HMAC" | "RSASSA-PKCS1-v1_5" | "Ed25519" | { name: "HMAC" | "RSASSA-PKCS1-v1_5" | "Ed25519" } | RsaPssParams | EcdsaParams;

/** Every function returns a promise; bad arguments reject it. */
interface SubtleCrypto {
	digest(algorithm: HashName, data: BufferSource): Promise<ArrayBuffer>;
	sign(algorithm: SignAlgorithm, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
	verify(algorithm: SignAlgorithm, key: CryptoKey, signature: BufferSource, data: BufferSource): Promise<boolean>;
	encrypt(algorithm: AesGcmParams, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
	/** Rejects with an OperationError if the data was not encrypted with this key. */
	decrypt(algorithm: AesGcmParams, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
	/** length is in bits, a multiple of 8 up to 2048. */
	deriveBits(algorithm: Pbkdf2Params | HkdfParams, key: CryptoKey, length: number): Promise<ArrayBuffer>;
	deriveKey(algorithm: Pbkdf2Params | HkdfParams, key: CryptoKey, derived: HmacParams | AesParams, extractable: boolean, usages: readonly KeyUsage[]): Promise<CryptoKey>;
	importKey(format: "jwk", key: JsonWebKey, algorithm: ImportAlgorithm, extractable: boolean, usages: readonly KeyUsage[]): Promise<CryptoKey>;
	importKey(format: Exclude<KeyFormat, "jwk">, key: BufferSource, algorithm: ImportAlgorithm, extractable: boolean, usages: readonly KeyUsage[]): Promise<CryptoKey>;
	exportKey(format: "jwk", key: CryptoKey): Promise<JsonWebKey>;
	exportKey(format: Exclude<KeyFormat, "jwk">, key: CryptoKey): Promise<ArrayBuffer>;
	generateKey(algorithm: EcParams | "Ed25519" | { name: "Ed25519" }, extractable: boolean, usages: readonly KeyUsage[]): Promise<CryptoKeyPair>;
	generateKey(algorithm: HmacParams | AesParams, extractable: boolean, usages: readonly KeyUsage[]): Promise<CryptoKey>;
}

interface Crypto {
	/** Fills a typed array of integers, of at most 65,536 bytes, and returns it. */
	getRandomValues<T extends ArrayBufferView>(array: T): T;
	/** A random UUID, version 4. */
	randomUUID(): string;
	readonly subtle: SubtleCrypto;
}
declare var crypto: Crypto;
