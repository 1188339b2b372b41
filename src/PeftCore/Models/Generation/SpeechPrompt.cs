using PeftCore.Io;

namespace PeftCore.Models.Generation;

/// <summary>What a model of speech is asked to write.</summary>
public sealed class SpeechOptions
{
    /// <summary>The language that is spoken, as "en" or "&lt;|en|&gt;"; null to let the model say.</summary>
    public string? Language { get; init; }

    /// <summary>Whether the text is an English translation; otherwise it is what is said.</summary>
    public bool Translate { get; init; }

    /// <summary>Whether the text has timestamps.</summary>
    public bool Timestamps { get; init; }
}

/// <summary>Whisper's tokens before a text, from generation_config.json: language, task, and whether there are no timestamps.</summary>
internal sealed record SpeechPrompt
{
    /// <summary>Tokens of languages by name ("&lt;|en|&gt;"); empty for a model of one language.</summary>
    public IReadOnlyDictionary<string, int> Languages { get; init; } = new Dictionary<string, int>();

    /// <summary>Tokens of "transcribe" and "translate".</summary>
    public IReadOnlyDictionary<string, int> Tasks { get; init; } = new Dictionary<string, int>();

    /// <summary>The token that says that there are no timestamps, after which the tokens of timestamps begin; null for none.</summary>
    public int? NoTimestamps { get; init; }

    /// <summary>The largest first timestamp, in steps of 0.02 seconds; null for no limit.</summary>
    public int? MaxInitialTimestamp { get; init; }

    /// <summary>Tokens by position that older files force, position 1 first; null at a position that the model chooses.</summary>
    public IReadOnlyList<int?> Forced { get; init; } = [];

    /// <summary>The file, for error messages.</summary>
    public string Source { get; init; } = "";

    /// <summary>Reads a model directory.</summary>
    /// <exception cref="BadInputException">A field is malformed.</exception>
    public static SpeechPrompt Read(string directory)
    {
        var model = ModelDirectory.Open(directory);
        return Of(model.OpenGenerationConfig() ?? model.OpenConfig());
    }

    internal static SpeechPrompt Of(ConfigReader config)
    {
        bool several = config.Bool("is_multilingual", config.Has("lang_to_id"));
        return new SpeechPrompt
        {
            Source = config.Source,
            Languages = several ? Ids(config, "lang_to_id") : new Dictionary<string, int>(),
            Tasks = several ? Ids(config, "task_to_id") : new Dictionary<string, int>(),
            NoTimestamps = config.IntOrNull("no_timestamps_token_id", min: 0),
            MaxInitialTimestamp = config.IntOrNull("max_initial_timestamp_index", min: 0),
            Forced = ForcedIn(config),
        };
    }

    /// <summary>The first token of timestamps; null if the model has none.</summary>
    public int? FirstTimestamp => NoTimestamps + 1;

    /// <summary>The tokens after the start token, as far as they are known: all of them, or none if the model must say the
    /// language.</summary>
    /// <exception cref="BadInputException">The language or the task is unknown to the model.</exception>
    public int[] Tokens(SpeechOptions options) => Languages.Count > 0 && options.Language is null ? TokensOf(null, options)
        : TokensOf(LanguageOf(options.Language), options);

    /// <summary>The tokens after the start token for a language, which may be one that the model has chosen.</summary>
    public int[] TokensOf(int? language, SpeechOptions options)
    {
        var tokens = new List<int>();
        if (Languages.Count == 0 && Tasks.Count == 0)
        {
            // An older file, or a model of one language.
            tokens.AddRange(Forced.OfType<int>().Where(token => token != NoTimestamps));
            RefuseTask(options);
        }
        else
        {
            tokens.AddRange(language is { } spoken ? [spoken] : []);
            tokens.AddRange(TaskOf(options) is { } task ? [task] : []);
        }
        if (options.Timestamps && NoTimestamps is null)
        {
            throw new BadInputException($"{Source}: there is no no_timestamps_token_id, so the model writes no timestamps; leave them out.");
        }
        if (!options.Timestamps && NoTimestamps is { } none)
        {
            tokens.Add(none);
        }
        return [.. tokens];
    }

    private int? LanguageOf(string? name)
    {
        if (name is null || Languages.Count == 0)
        {
            return name is null ? null : throw new BadInputException(
                $"{Source}: the model has no tokens of languages (lang_to_id), so \"{name}\" cannot be chosen; leave the language out.");
        }
        string token = name.StartsWith("<|", StringComparison.Ordinal) ? name : $"<|{name.ToLowerInvariant()}|>";
        return Languages.TryGetValue(token, out int id) ? id : throw new BadInputException(
            $"the language is \"{name}\", expected one of " +
            $"{string.Join(", ", Languages.Keys.Select(key => key.Trim('<', '|', '>')).Order(StringComparer.Ordinal))}");
    }

    private int? TaskOf(SpeechOptions options)
    {
        string name = options.Translate ? "translate" : "transcribe";
        return Tasks.TryGetValue(name, out int id) ? id : options.Translate ? throw new BadInputException(
            $"{Source}: task_to_id has no \"translate\", so the model does not translate; leave it out.") : null;
    }

    private void RefuseTask(SpeechOptions options)
    {
        if (options.Translate)
        {
            throw new BadInputException($"{Source}: the model has one task (no task_to_id), so it does not translate; leave it out.");
        }
    }

    private static Dictionary<string, int> Ids(ConfigReader config, string name) => config.ObjectOrNull(name) is { } map
        ? map.Names.ToDictionary(key => key, key => map.Int(key, min: 0), StringComparer.Ordinal) : [];

    // [[1, 50259], [2, 50359], [3, 50363]], with null for a token that the model chooses.
    private static List<int?> ForcedIn(ConfigReader config)
    {
        var tokens = new List<int?>();
        if (config.Raw("forced_decoder_ids") is not { ValueKind: System.Text.Json.JsonValueKind.Array } pairs)
        {
            return tokens;
        }
        foreach (var pair in pairs.EnumerateArray())
        {
            if (pair.ValueKind != System.Text.Json.JsonValueKind.Array || pair.GetArrayLength() != 2
                || !pair[0].TryGetInt32(out int position) || position != tokens.Count + 1)
            {
                throw config.Error("forced_decoder_ids", "is no list of [position, token] in order from position 1");
            }
            tokens.Add(pair[1].ValueKind == System.Text.Json.JsonValueKind.Number ? pair[1].GetInt32() : null);
        }
        return tokens;
    }
}
