-- A ledger as commit 07e60c7 has written it (its schema is number 4): sqlite3's dump.
BEGIN TRANSACTION;
CREATE TABLE budgets (
	purse TEXT NOT NULL, 
	service TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	limit_pico_usd BIGINT NOT NULL, 
	PRIMARY KEY (purse, service, scope)
);
INSERT INTO "budgets" VALUES('/home/ada/notes.ipynb','https://openrouter.ai','notebook',1000);
INSERT INTO "budgets" VALUES('/home/ada/notes.ipynb','https://openrouter.ai','thread:1',500);
CREATE TABLE catalog_fetches (
	service TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	holder TEXT NOT NULL, 
	until_utc DATETIME NOT NULL, 
	PRIMARY KEY (service, kind)
);
CREATE TABLE catalogs (
	service TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	day TEXT NOT NULL, 
	fetched_utc DATETIME NOT NULL, 
	body BLOB NOT NULL, 
	PRIMARY KEY (service, kind, day)
);
INSERT INTO "catalogs" VALUES('https://openrouter.ai','models','2026-11-28','2026-11-28 00:00:00.000000',X'1F8B0800000000000003AB564A492C4954B252888EAD0500B878BD260C000000');
CREATE TABLE messages (
	hash VARCHAR(64) NOT NULL, 
	parent VARCHAR(64), 
	role TEXT NOT NULL, 
	PRIMARY KEY (hash), 
	FOREIGN KEY(parent) REFERENCES messages (hash)
);
INSERT INTO "messages" VALUES('3a96f30dc403021d2db7302872431069bcea5b705dafbc7f0517fd874217f02e',NULL,'user');
INSERT INTO "messages" VALUES('0559c1e3af0d30fb32fdc5c92f7f7818d1148b7edc0a5a3f695852be45787bc6','3a96f30dc403021d2db7302872431069bcea5b705dafbc7f0517fd874217f02e','assistant');
INSERT INTO "messages" VALUES('416fcf4f099d541d694253b0cc1eef8190423ef5e93ad62bc1c17bbdfa9bedb5','0559c1e3af0d30fb32fdc5c92f7f7818d1148b7edc0a5a3f695852be45787bc6','user');
INSERT INTO "messages" VALUES('dd82c12548cc6482986f86bd3161110db08526d7b1a6ec8b3608db156ebeb055','416fcf4f099d541d694253b0cc1eef8190423ef5e93ad62bc1c17bbdfa9bedb5','assistant');
INSERT INTO "messages" VALUES('257954450b5768b57c4c880ed35ff890dfad258c3d6954e3c1d2436e57964217','dd82c12548cc6482986f86bd3161110db08526d7b1a6ec8b3608db156ebeb055','tool');
INSERT INTO "messages" VALUES('00512596ed76d7101b91b4a92f8efbc0e7a611c7d66ea120bc5d87835a0e81fd','257954450b5768b57c4c880ed35ff890dfad258c3d6954e3c1d2436e57964217','assistant');
INSERT INTO "messages" VALUES('8695a3321db626ac8aaf5e4d6ed18989b0aaa549c1cf9f51ed5115ade1b2aa17','00512596ed76d7101b91b4a92f8efbc0e7a611c7d66ea120bc5d87835a0e81fd','user');
INSERT INTO "messages" VALUES('6022bbf6f2915f507c8db0c8dd452dbbd6ce2e858783182fcd0a220b0fa370ee','00512596ed76d7101b91b4a92f8efbc0e7a611c7d66ea120bc5d87835a0e81fd','user');
INSERT INTO "messages" VALUES('bcf6dc1350c4ea21773da349eaf24bd5c560af7851eb1a815ca3d2ef5766b2c4','6022bbf6f2915f507c8db0c8dd452dbbd6ce2e858783182fcd0a220b0fa370ee','assistant');
INSERT INTO "messages" VALUES('c5488ec44f0d12d8be1626acae7bda3525eeb769e87fe71283bae3e90e57fc14','3a96f30dc403021d2db7302872431069bcea5b705dafbc7f0517fd874217f02e','assistant');
INSERT INTO "messages" VALUES('ec3353873337c66193980b47268754709d1ef9447c36b7c6d5276234fb2a1295',NULL,'user');
CREATE TABLE migrations (
	number INTEGER NOT NULL, 
	applied_utc DATETIME NOT NULL, 
	PRIMARY KEY (number)
);
INSERT INTO "migrations" VALUES(1,'2026-11-20 10:18:54.474982');
INSERT INTO "migrations" VALUES(2,'2026-11-20 10:18:54.498743');
INSERT INTO "migrations" VALUES(3,'2026-11-20 10:18:54.669918');
INSERT INTO "migrations" VALUES(4,'2026-11-20 10:18:54.690470');
CREATE TABLE notebooks (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	identity TEXT NOT NULL, 
	created_utc DATETIME NOT NULL, thread BIGINT, 
	UNIQUE (identity)
);
INSERT INTO "notebooks" VALUES(1,'/home/ada/notes.ipynb','2026-11-20 10:18:54.698118',2);
INSERT INTO "notebooks" VALUES(2,'/home/ada/other.ipynb','2026-11-20 10:18:54.819416',3);
CREATE TABLE parts (
	message VARCHAR(64) NOT NULL, 
	position INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	content TEXT NOT NULL, 
	PRIMARY KEY (message, position), 
	FOREIGN KEY(message) REFERENCES messages (hash)
);
INSERT INTO "parts" VALUES('3a96f30dc403021d2db7302872431069bcea5b705dafbc7f0517fd874217f02e',0,'text','Why is the sky blue?');
INSERT INTO "parts" VALUES('0559c1e3af0d30fb32fdc5c92f7f7818d1148b7edc0a5a3f695852be45787bc6',0,'text','Rayleigh.');
INSERT INTO "parts" VALUES('416fcf4f099d541d694253b0cc1eef8190423ef5e93ad62bc1c17bbdfa9bedb5',0,'text','And at night? ' || char(26) || '0000' || char(26) || 'd83d');
INSERT INTO "parts" VALUES('dd82c12548cc6482986f86bd3161110db08526d7b1a6ec8b3608db156ebeb055',0,'tool_call','["call-1", "look", "{\"at\": \"sky\"}"]');
INSERT INTO "parts" VALUES('257954450b5768b57c4c880ed35ff890dfad258c3d6954e3c1d2436e57964217',0,'tool_result','["call-1", "stars"]');
INSERT INTO "parts" VALUES('00512596ed76d7101b91b4a92f8efbc0e7a611c7d66ea120bc5d87835a0e81fd',0,'reasoning','Hm.');
INSERT INTO "parts" VALUES('00512596ed76d7101b91b4a92f8efbc0e7a611c7d66ea120bc5d87835a0e81fd',1,'text','Dark.');
INSERT INTO "parts" VALUES('8695a3321db626ac8aaf5e4d6ed18989b0aaa549c1cf9f51ed5115ade1b2aa17',0,'text','Fails');
INSERT INTO "parts" VALUES('6022bbf6f2915f507c8db0c8dd452dbbd6ce2e858783182fcd0a220b0fa370ee',0,'text','Stopped');
INSERT INTO "parts" VALUES('bcf6dc1350c4ea21773da349eaf24bd5c560af7851eb1a815ca3d2ef5766b2c4',0,'text','Half');
INSERT INTO "parts" VALUES('c5488ec44f0d12d8be1626acae7bda3525eeb769e87fe71283bae3e90e57fc14',0,'text','Sandbox.');
INSERT INTO "parts" VALUES('ec3353873337c66193980b47268754709d1ef9447c36b7c6d5276234fb2a1295',0,'text','Still open');
CREATE TABLE threads (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	notebook BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	tip BIGINT, 
	undone BIGINT, 
	forked_from TEXT, 
	system TEXT, 
	created_utc DATETIME NOT NULL, 
	UNIQUE (notebook, name), 
	FOREIGN KEY(notebook) REFERENCES notebooks (id), 
	FOREIGN KEY(tip) REFERENCES turns (id), 
	FOREIGN KEY(undone) REFERENCES turns (id)
);
INSERT INTO "threads" VALUES(1,1,'main',6,NULL,NULL,NULL,'2026-11-20 10:18:54.706545');
INSERT INTO "threads" VALUES(2,1,'draft',6,NULL,'main','Be kind.','2026-11-20 10:18:54.808331');
INSERT INTO "threads" VALUES(3,2,'main',8,NULL,NULL,NULL,'2026-11-20 10:18:54.846909');
CREATE TABLE turns (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	notebook INTEGER NOT NULL, 
	purse TEXT NOT NULL, 
	cell_id TEXT, 
	service TEXT NOT NULL, 
	model_asked TEXT, 
	parameters TEXT NOT NULL, 
	system TEXT, 
	prompt VARCHAR(64) NOT NULL, 
	answer VARCHAR(64), 
	state TEXT NOT NULL, 
	error TEXT, 
	started_utc DATETIME NOT NULL, 
	ended_utc DATETIME, 
	generation_id TEXT, 
	model TEXT, 
	provider TEXT, 
	finish_reason TEXT, 
	prompt_tokens BIGINT, 
	completion_tokens BIGINT, 
	cached_tokens BIGINT, 
	reasoning_tokens BIGINT, 
	cost_pico_usd BIGINT, 
	cost_source TEXT, 
	seconds_to_first_token DOUBLE, 
	seconds DOUBLE, 
	partial_text TEXT, 
	partial_reasoning TEXT, partial_parts TEXT, cache_write_tokens BIGINT, image_tokens BIGINT, audio_tokens BIGINT, web_searches BIGINT, upstream_cost_pico_usd BIGINT, is_byok BOOLEAN, service_tier TEXT, native_finish_reason TEXT, attempts INTEGER, may_be_billed_twice BOOLEAN, thread BIGINT, previous BIGINT, displaced BIGINT, ask_number INTEGER, history_turns INTEGER, run TEXT, owner TEXT, seen_utc DATETIME, reserved_pico_usd BIGINT, estimated_pico_usd BIGINT, prompt_bytes BIGINT, answer_bytes BIGINT, request_hash TEXT, replayed_from BIGINT, 
	FOREIGN KEY(notebook) REFERENCES notebooks (id), 
	FOREIGN KEY(prompt) REFERENCES messages (hash), 
	FOREIGN KEY(answer) REFERENCES messages (hash)
);
INSERT INTO "turns" VALUES(1,1,'/home/ada/notes.ipynb','c1','https://openrouter.ai','a/b','{"temperature": 0.2}','Be brief.','3a96f30dc403021d2db7302872431069bcea5b705dafbc7f0517fd874217f02e','0559c1e3af0d30fb32fdc5c92f7f7818d1148b7edc0a5a3f695852be45787bc6','complete',NULL,'2026-11-20 10:18:54.696906','2026-11-20 10:18:54.721243',NULL,NULL,NULL,NULL,9,3,NULL,NULL,42,'reported',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,0,1,NULL,NULL,0,0,'run-1','ada/1/1.00','2026-11-20 10:18:54.696906',NULL,NULL,40,9,'k1',NULL);
INSERT INTO "turns" VALUES(2,1,'/home/ada/notes.ipynb','c2','https://openrouter.ai','a/b','{"temperature": 0.2}','Be brief.','416fcf4f099d541d694253b0cc1eef8190423ef5e93ad62bc1c17bbdfa9bedb5','dd82c12548cc6482986f86bd3161110db08526d7b1a6ec8b3608db156ebeb055','complete',NULL,'2026-11-20 10:18:54.723157','2026-11-20 10:18:54.742568','gen-2',NULL,NULL,'tool_calls',9,3,NULL,NULL,10,'reported',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,0,1,1,1,0,1,'run-1','ada/1/1.00','2026-11-20 10:18:54.723157',NULL,NULL,NULL,0,NULL,NULL);
INSERT INTO "turns" VALUES(3,1,'/home/ada/notes.ipynb','c2','https://openrouter.ai','a/b','{"temperature": 0.2}','Be brief.','257954450b5768b57c4c880ed35ff890dfad258c3d6954e3c1d2436e57964217','00512596ed76d7101b91b4a92f8efbc0e7a611c7d66ea120bc5d87835a0e81fd','complete',NULL,'2026-11-20 10:18:54.744024','2026-11-20 10:18:54.765096',NULL,NULL,NULL,NULL,9,3,NULL,NULL,11,'reported',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,0,1,2,2,1,2,'run-1','ada/1/1.00','2026-11-20 10:18:54.744024',NULL,NULL,NULL,5,NULL,NULL);
INSERT INTO "turns" VALUES(4,1,'/home/ada/notes.ipynb','c3','https://openrouter.ai','a/b','{"temperature": 0.2}','Be brief.','8695a3321db626ac8aaf5e4d6ed18989b0aaa549c1cf9f51ed5115ade1b2aa17',NULL,'failed','no such model','2026-11-20 10:18:54.766068','2026-11-20 10:18:54.776178',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,0,1,3,3,0,3,'run-1','ada/1/1.00','2026-11-20 10:18:54.766068',NULL,NULL,NULL,0,NULL,NULL);
INSERT INTO "turns" VALUES(5,1,'/home/ada/notes.ipynb','c4','https://openrouter.ai','a/b','{"temperature": 0.2}','Be brief.','6022bbf6f2915f507c8db0c8dd452dbbd6ce2e858783182fcd0a220b0fa370ee','bcf6dc1350c4ea21773da349eaf24bd5c560af7851eb1a815ca3d2ef5766b2c4','stopped',NULL,'2026-11-20 10:18:54.783108','2026-11-20 10:18:54.796745','gen-5',NULL,NULL,NULL,9,3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,0,1,3,3,0,3,'run-1','ada/1/1.00','2026-11-20 10:18:54.783108',100,7,NULL,4,NULL,NULL);
INSERT INTO "turns" VALUES(6,1,'/home/ada/notes.ipynb','c1','https://openrouter.ai','a/b','{"temperature": 0.2}','Be brief.','3a96f30dc403021d2db7302872431069bcea5b705dafbc7f0517fd874217f02e','0559c1e3af0d30fb32fdc5c92f7f7818d1148b7edc0a5a3f695852be45787bc6','complete',NULL,'2026-11-20 10:18:54.798170','2026-11-20 10:18:54.806401',NULL,NULL,NULL,NULL,9,3,NULL,NULL,0,'reported',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,0,1,NULL,3,0,0,'run-2','ada/1/1.00','2026-11-20 10:18:54.798170',NULL,NULL,NULL,9,'k1',1);
INSERT INTO "turns" VALUES(7,2,'/home/ada',NULL,'http://127.0.0.1:8000','a/b','{"temperature": 0.2}','Be brief.','3a96f30dc403021d2db7302872431069bcea5b705dafbc7f0517fd874217f02e','c5488ec44f0d12d8be1626acae7bda3525eeb769e87fe71283bae3e90e57fc14','complete',NULL,'2026-11-20 10:18:54.819196','2026-11-20 10:18:54.826907',NULL,NULL,NULL,NULL,9,3,NULL,NULL,5,'reported',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,0,NULL,NULL,NULL,0,0,'','ada/1/1.00','2026-11-20 10:18:54.819196',NULL,NULL,NULL,8,NULL,NULL);
INSERT INTO "turns" VALUES(8,2,'/home/ada','c9','https://openrouter.ai','a/b','{"temperature": 0.2}','Be brief.','ec3353873337c66193980b47268754709d1ef9447c36b7c6d5276234fb2a1295',NULL,'open',NULL,'2026-11-20 10:18:54.845909',NULL,'gen-9',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'So far','',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,0,3,NULL,NULL,0,0,'run-3','ada/1/1.00','2026-11-20 10:18:54.848231',60,NULL,NULL,NULL,NULL,NULL);
CREATE INDEX turns_of_purse ON turns (purse, service, cost_pico_usd, state);
CREATE INDEX turns_of_notebook ON turns (notebook, id);
CREATE INDEX turns_of_previous ON turns (previous);
CREATE INDEX turns_of_prompt ON turns (prompt);
CREATE INDEX turns_of_answer ON turns (answer);
CREATE INDEX open_turns ON turns (state) WHERE state = 'open';
CREATE INDEX tips_of_threads ON threads (tip);
CREATE INDEX messages_of_parent ON messages (parent);
CREATE INDEX turns_of_unknown_cost ON turns (service, purse, reserved_pico_usd, estimated_pico_usd) WHERE cost_pico_usd IS NULL;
CREATE INDEX turns_of_day ON turns (service, started_utc, purse, cost_pico_usd);
CREATE INDEX turns_of_thread ON turns (thread, service, cost_pico_usd);
CREATE INDEX turns_of_replay ON turns (request_hash) WHERE request_hash IS NOT NULL;
CREATE INDEX turns_of_model ON turns (service, model_asked, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('notebooks',2);
INSERT INTO "sqlite_sequence" VALUES('threads',3);
INSERT INTO "sqlite_sequence" VALUES('turns',8);
COMMIT;
