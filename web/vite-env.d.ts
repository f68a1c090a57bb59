// What Vite makes of imports like './file?url'.
/// <reference types="vite/client" />
