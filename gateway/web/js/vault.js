/** Keeps values in IndexedDB: what one tab has written every other tab reads at once, also in another process, where localStorage lags behind. */

const STORE = "kept";

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open("clipmesh", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest} work @returns {Promise<any>} once it is durable */
async function transact(mode, work) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = work(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/** @param {string} name @returns {Promise<string | undefined>} */
export function read(name) {
  return transact("readonly", (store) => store.get(name));
}

/** @param {string} name @param {string} value @returns {Promise<void>} */
export function write(name, value) {
  return transact("readwrite", (store) => store.put(value, name));
}

/** @param {string} name @returns {Promise<void>} */
export function remove(name) {
  return transact("readwrite", (store) => store.delete(name));
}
