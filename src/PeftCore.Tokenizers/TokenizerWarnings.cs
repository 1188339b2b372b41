namespace PeftCore.Tokenizers;

/// <summary>Finds where the files of a directory contradict each other about special tokens. Nothing is resolved without a word.</summary>
internal static class TokenizerWarnings
{
    public static IEnumerable<string> Of(Tokenizer tokenizer, TokenizerConfig config)
    {
        if (config.Directory is not { } directory)
        {
            return [];
        }

        return MissingTokens(tokenizer, config).Concat(Ends(tokenizer, config)).Concat(Others(tokenizer, config))
            .Concat(AddedAround(tokenizer, config)).Concat(AddedTokens(tokenizer, config)).Select(problem => $"{directory}: {problem}");
    }

    private static IEnumerable<string> MissingTokens(Tokenizer tokenizer, TokenizerConfig config) =>
        from role in config.SpecialTokens
        where tokenizer.IdOf(role.Value) is null
        select $"{role.Key} \"{role.Value}\" is not in the vocabulary of tokenizer.json" + Instead(tokenizer, role.Key);

    private static string Instead(Tokenizer tokenizer, string role)
    {
        int? id = role switch { "eos_token" => tokenizer.EosId, "bos_token" => tokenizer.BosId, "pad_token" => tokenizer.PadId, _ => null };
        return id is { } other ? $"; token {other}, which the model's config names, is used."
            : ", so it is text like any other; add it there, or correct tokenizer_config.json.";
    }

    private static IEnumerable<string> Ends(Tokenizer tokenizer, TokenizerConfig config)
    {
        var ids = config.ModelIds;
        if (ids.GenerationEos is { } generation && ids.Eos.Except(generation).Any())
        {
            yield return $"eos_token_id is {List(ids.Eos)} in config.json but {List(generation)} in generation_config.json; "
                + $"generation stops at {List(tokenizer.StopIds)}.";
        }

        if (tokenizer.EosToken is { } token && tokenizer.IdOf(token) is { } id && ids.Ends.Length > 0 && !ids.Ends.Contains(id))
        {
            string file = ids.GenerationEos is null ? "config.json" : "generation_config.json";
            yield return $"the tokenizer's eos_token \"{token}\" is token {id}, but eos_token_id is {List(ids.Ends)} in {file}; "
                + $"texts to learn end with {id}, and generation stops at {List(tokenizer.StopIds)}.";
        }

        if (tokenizer.EosToken is null && tokenizer.EosId is { } fallback)
        {
            yield return $"the tokenizer names no eos_token; token {fallback} (\"{tokenizer.TokenOf(fallback)}\"), the eos_token_id of " +
                "the model's config, ends texts, and chat templates have no eos_token.";
        }

        foreach (int unknown in ids.Ends.Concat(ids.Eos).Distinct().Where(end => tokenizer.TokenOf(end) is null))
        {
            yield return $"eos_token_id {unknown} of the model's config is not in the vocabulary of tokenizer.json.";
        }
    }

    private static IEnumerable<string> Others(Tokenizer tokenizer, TokenizerConfig config)
    {
        foreach (var (role, named, other, effect) in new[]
        {
            ("bos_token", tokenizer.BosToken, config.ModelIds.Bos, "the tokenizer's is used"),
            ("pad_token", tokenizer.PadToken, config.ModelIds.Pad, "the tokenizer's fills up batches, where nothing learns from it"),
        })
        {
            if (named is not null && tokenizer.IdOf(named) is { } id && other is { } configured && configured != id)
            {
                yield return $"the tokenizer's {role} \"{named}\" is token {id}, but {role}_id is {configured} in the model's config; " +
                    $"{effect}.";
            }
            else if (other is { } unknown && tokenizer.TokenOf(unknown) is null)
            {
                yield return $"{role}_id {unknown} of the model's config is not in the vocabulary of tokenizer.json, and is not used.";
            }
        }
    }

    /// <summary>transformers 5 reads the special tokens around a text from tokenizer.json alone.</summary>
    private static IEnumerable<string> AddedAround(Tokenizer tokenizer, TokenizerConfig config)
    {
        if (config.AddBos is null && config.AddEos is null)
        {
            yield break;
        }

        int[] around = tokenizer.Around;
        foreach (var (flag, wanted, id) in new[] { ("add_bos_token", config.AddBos, tokenizer.BosId),
            ("add_eos_token", config.AddEos, tokenizer.EosId) })
        {
            bool there = id is { } token && around.Contains(token);
            if (wanted is { } wish && id is not null && wish != there && tokenizer.BosId != tokenizer.EosId)
            {
                yield return $"{flag} is {(wish ? "true" : "false")} in tokenizer_config.json, but the post_processor of tokenizer.json "
                    + $"{(there ? "adds that token" : "adds no such token")}; tokenizer.json holds.";
            }
        }
    }

    private static IEnumerable<string> AddedTokens(Tokenizer tokenizer, TokenizerConfig config)
    {
        foreach (var (id, token) in config.AddedTokens)
        {
            if (tokenizer.IdOf(token) is var known && known != id)
            {
                yield return $"added_tokens_decoder of tokenizer_config.json gives \"{token}\" the id {id}, but in tokenizer.json "
                    + $"{(known is null ? "there is no such token" : $"it is {known}")}; tokenizer.json holds.";
            }
        }

        foreach (string? token in config.ExtraTokens.Where(token => tokenizer.IdOf(token) is null))
        {
            yield return $"the special token \"{token}\" of tokenizer_config.json is not in the vocabulary of tokenizer.json, so it is " +
                "text like any other.";
        }
    }

    private static string List(IEnumerable<int> ids) => string.Join(" and ", ids);
}
