namespace PeftCore.Tokenizers;

/// <summary>The settings of a tokenizer that are in files of the model directory other than tokenizer.json.</summary>
internal sealed record TokenizerConfig
{
    public static TokenizerConfig Empty { get; } = new();

    /// <summary>The directory, or null for a tokenizer.json by itself.</summary>
    public string? Directory { get; init; }

    /// <summary>Tokens by their roles, "bos_token" and so on: what transformers calls special_tokens_map.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens { get; init; } = new Dictionary<string, string>();

    /// <summary>The chat templates by name; one without a name is "default".</summary>
    public IReadOnlyDictionary<string, string> ChatTemplates { get; init; } = new Dictionary<string, string>();

    /// <summary>The token ids of config.json and generation_config.json.</summary>
    public ModelTokenIds ModelIds { get; init; } = ModelTokenIds.None;

    /// <summary>add_bos_token of tokenizer_config.json: a begin token before every text; null if the field is absent.</summary>
    public bool? AddBos { get; init; }

    /// <summary>add_eos_token of tokenizer_config.json: an end token after every text; null if the field is absent.</summary>
    public bool? AddEos { get; init; }

    /// <summary>The added tokens that tokenizer_config.json lists beside those of tokenizer.json.</summary>
    public IReadOnlyDictionary<int, string> AddedTokens { get; init; } = new Dictionary<int, string>();

    /// <summary>Special tokens without a role (additional_special_tokens).</summary>
    public IReadOnlyList<string> ExtraTokens { get; init; } = [];

    /// <summary>One sentence for each contradiction between the files.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    public string? Token(string role) => SpecialTokens.GetValueOrDefault(role);

    public static TokenizerConfig Read(TokenizerFiles files)
    {
        var warnings = new List<string>();
        var tokens = SpecialTokenFiles.Read(files, warnings);
        return tokens with
        {
            Directory = files.Directory,
            ChatTemplates = ChatTemplateFiles.Read(files, warnings),
            ModelIds = ModelTokenIds.Read(files),
            Warnings = warnings,
        };
    }
}
