-- Version 4: lists read the tables that logins read. What they read before, views over the live generation, could be made to show
-- other rows than those that sign people in.
DROP VIEW IF EXISTS live_service;
DROP VIEW IF EXISTS live_user;
