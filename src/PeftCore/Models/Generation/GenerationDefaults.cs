using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Models.Generation;

/// <summary>Reads the generation options that a model directory sets, one row a field of generation_config.json. Older directories have
/// them in config.json, which is read where there is no generation_config.json, as transformers does.</summary>
internal static class GenerationDefaults
{
    private static readonly Row[] Rows =
    [
        // max_new_tokens counts new tokens, max_length the prompt too; the first wins.
        new("max_length", (o, r, name) => o with { MaxLength = r.Int(name, min: 1), MaxNewTokens = r.Int(name, min: 1) }),
        new("max_new_tokens", (o, r, name) => o with { MaxLength = null, MaxNewTokens = r.Int(name, min: 1) }),
        new("min_length", (o, r, name) => o with { MinLength = r.Int(name, min: 0) }),
        new("min_new_tokens", (o, r, name) => o with { MinNewTokens = r.Int(name, min: 0) }),
        new("num_beams", (o, r, name) => o with { NumBeams = r.Int(name, min: 1) }),
        new("num_return_sequences", (o, r, name) => o with { NumReturnSequences = r.Int(name, min: 1) }),
        new("length_penalty", (o, r, name) => o with { LengthPenalty = r.Float(name) }),
        new("early_stopping", (o, r, name) => o with { EarlyStopping = r.Raw(name) is { ValueKind: JsonValueKind.String }
            ? r.Choice(name, null, "never") == "never" ? null : false : r.Bool(name) }),
        new("repetition_penalty", (o, r, name) => o with { RepetitionPenalty = (float)r.Float(name) }),
        new("no_repeat_ngram_size", (o, r, name) => o with { NoRepeatNgramSize = r.Int(name, min: 0) }),
        new("encoder_no_repeat_ngram_size", (o, r, name) => o with { EncoderNoRepeatNgramSize = r.Int(name, min: 0) }),
        new("forced_bos_token_id", (o, r, name) => o with { ForcedBosTokenId = r.Int(name, min: 0) }),
        new("forced_eos_token_id", (o, r, name) => o with { ForcedEosTokenId = Token(r, name) }),
        new("suppress_tokens", (o, r, name) => o with { SuppressTokens = Tokens(r, name) }),
        new("begin_suppress_tokens", (o, r, name) => o with { BeginSuppressTokens = Tokens(r, name) }),
        new("bad_words_ids", (o, r, name) => o with { BadWords = Words(r, name) }),
        new("eos_token_id", (o, r, name) => o with { StopTokens = Tokens(r, name) }, IsToken: true),
        new("pad_token_id", (o, r, name) => o with { PadTokenId = Token(r, name) }, IsToken: true),
        new("decoder_start_token_id", (o, r, name) => o with { DecoderStartTokenId = Token(r, name) }, IsToken: true),
    ];

    private static readonly string[] OfSampling = ["temperature", "top_k", "top_p", "min_p", "typical_p"];

    /// <summary>Fields that change texts in transformers and do not here, each with the number that has no effect; null and false never
    /// have one.</summary>
    private static readonly (string Name, double Neutral)[] Unsupported =
    [
        ("num_beam_groups", 1), ("diversity_penalty", 0), ("penalty_alpha", 0), ("encoder_repetition_penalty", 1),
        ("exponential_decay_length_penalty", 0), ("sequence_bias", 0), ("guidance_scale", 1), ("constraints", 0), ("force_words_ids", 0),
        ("forced_decoder_ids", 0), ("renormalize_logits", 0), ("epsilon_cutoff", 0), ("eta_cutoff", 0), ("dola_layers", 0),
        ("watermarking_config", 0), ("stop_strings", 0), ("max_time", 0),
    ];

    /// <summary>The options that a directory sets.</summary>
    /// <param name="directory">The model directory.</param>
    /// <param name="given">Fields that are not read, because the caller sets them.</param>
    /// <param name="tell">Receives a sentence about what is used, and one about what is not.</param>
    /// <exception cref="BadInputException">A field is malformed.</exception>
    public static GenerationOptions Read(string directory, IReadOnlyCollection<string> given, Action<string>? tell)
    {
        var model = ModelDirectory.Open(directory);
        var reader = model.OpenGenerationConfig() ?? model.OpenConfig();
        var options = new GenerationOptions();
        var used = new List<string>();
        foreach (var row in Rows.Where(row => reader.Has(row.Name) && !given.Contains(row.Name)
            && !(row.Name == "max_length" && given.Contains("max_new_tokens"))))
        {
            var next = row.Apply(options, reader, row.Name);
            if (next != options && !row.IsToken)
            {
                used.Add($"{row.Name} {Text(reader, row.Name)}");
            }
            options = next;
        }
        Tell(reader, used, tell);
        return options;
    }

    private static void Tell(ConfigReader reader, List<string> used, Action<string>? tell)
    {
        if (used.Count > 0)
        {
            tell?.Invoke($"{reader.Source}: generation uses its {string.Join(", ", used)}; values of your own override them.");
        }
        if (reader.Raw("do_sample") is { ValueKind: JsonValueKind.True })
        {
            string fields = string.Join(", ", OfSampling.Where(reader.Has).Prepend("do_sample"));
            tell?.Invoke($"{reader.Source}: {fields} have no effect: the likeliest tokens are taken unless you give a temperature.");
        }
        // Models of speech read forced_decoder_ids as the tokens before a text.
        string[] unsupported = [.. Unsupported.Where(field => !(field.Name == "forced_decoder_ids" && reader.Has("no_timestamps_token_id")))
            .Where(field => reader.Raw(field.Name) is { } value && !IsNeutral(value, field.Neutral))
            .Select(field => field.Name)];
        if (unsupported.Length > 0)
        {
            tell?.Invoke($"{reader.Source}: {string.Join(", ", unsupported)} have no effect here, so texts may differ from those of " +
                "transformers.");
        }
    }

    private static bool IsNeutral(JsonElement value, double neutral) => value.ValueKind == JsonValueKind.False
        || (value.ValueKind == JsonValueKind.Number && value.GetDouble() == neutral);

    private static string Text(ConfigReader reader, string name) => reader.Raw(name) is { ValueKind: JsonValueKind.Array } list
        ? $"({list.GetArrayLength()} entries)" : reader.Raw(name)!.Value.ToString().ToLowerInvariant();

    /// <summary>One id or a list of them. Negative ids mean that there is none.</summary>
    private static int[] Tokens(ConfigReader reader, string name) =>
        [.. (reader.Raw(name) is { ValueKind: JsonValueKind.Array } ? reader.IntsOrNull(name) ?? [] : [reader.Int(name)])
            .Where(token => token >= 0)];

    private static int? Token(ConfigReader reader, string name) => Tokens(reader, name) switch
    {
        [] => null,
        [var one] => one,
        _ => throw reader.Error(name, "has several tokens, expected one"),
    };

    private static int[][] Words(ConfigReader reader, string name) =>
        reader.Raw(name) is { ValueKind: JsonValueKind.Array } list && list.EnumerateArray().All(word => word.ValueKind ==
            JsonValueKind.Array && word.EnumerateArray().All(token => token.ValueKind == JsonValueKind.Number && token.TryGetInt32(out _)))
            ? [.. list.EnumerateArray().Select(word => word.EnumerateArray().Select(token => token.GetInt32()).ToArray())]
            : throw reader.Error(name, "is no list of lists of token ids");

    /// <summary>A field.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Apply">Sets its option.</param>
    /// <param name="IsToken">Whether it names a special token, which every model has and nobody needs to be told of.</param>
    private sealed record Row(string Name, Func<GenerationOptions, ConfigReader, string, GenerationOptions> Apply, bool IsToken = false);
}
