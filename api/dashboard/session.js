// The token: in this tab's session storage only, gone with the tab. Never in an address, a cookie or a log.
const KEY = 'rollcall.token';

export const token = () => sessionStorage.getItem(KEY);
export const keepToken = (text) => sessionStorage.setItem(KEY, text);
export const forgetToken = () => sessionStorage.removeItem(KEY);
