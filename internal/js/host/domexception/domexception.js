// The class DOMException. The numbers are those that names had before they were names.
(function () {
	const codes = {
		IndexSizeError: 1, HierarchyRequestError: 3, WrongDocumentError: 4, InvalidCharacterError: 5,
		NoModificationAllowedError: 7, NotFoundError: 8, NotSupportedError: 9, InUseAttributeError: 10,
		InvalidStateError: 11, SyntaxError: 12, InvalidModificationError: 13, NamespaceError: 14,
		InvalidAccessError: 15, TypeMismatchError: 17, SecurityError: 18, NetworkError: 19,
		AbortError: 20, URLMismatchError: 21, QuotaExceededError: 22, TimeoutError: 23,
		InvalidNodeTypeError: 24, DataCloneError: 25,
	};
	return class DOMException extends Error {
		constructor(message = "", options = "Error") {
			super(message);
			let name = options;
			if (options !== null && typeof options === "object") {
				name = options.name ?? "Error";
				if ("cause" in options) {
					Object.defineProperty(this, "cause", { value: options.cause, configurable: true, writable: true });
				}
			}
			Object.defineProperty(this, "name", { value: String(name), configurable: true });
		}

		get code() {
			return codes[this.name] ?? 0;
		}

		get [Symbol.toStringTag]() {
			return "DOMException";
		}
	};
})()
