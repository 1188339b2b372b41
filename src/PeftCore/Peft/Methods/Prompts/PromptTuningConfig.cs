using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Prompts;

/// <summary>How virtual tokens start.</summary>
public enum PromptInit
{
    /// <summary>Standard normal numbers.</summary>
    Random,

    /// <summary>Embeddings of the tokens of a text, repeated or cut to the number of virtual tokens.</summary>
    Text,

    /// <summary>Embeddings of tokens drawn from the vocabulary.</summary>
    SampleVocab,
}

/// <summary>Hyperparameters of prompt tuning (Lester et al. 2021): virtual tokens before every sequence that train themselves.</summary>
public sealed record PromptTuningConfig : PromptLearningConfig
{
    /// <summary>Hugging Face's defaults.</summary>
    public PromptTuningConfig()
    {
    }

    private PromptTuningConfig(ConfigReader config) : base(config)
    {
        var (init, problem) = PromptInitializer.Read(config, ["RANDOM", "TEXT", "SAMPLE_VOCAB"]);
        (Init, StartProblem) = (PromptInitializer.Parse(init), problem);
        InitText = config.StringOrNull("prompt_tuning_init_text");
        Tokenizer = config.StringOrNull("tokenizer_name_or_path");
        TokenizerArguments = config.Raw("tokenizer_kwargs");
    }

    /// <inheritdoc/>
    public override string PeftType => "PROMPT_TUNING";

    /// <summary>How the virtual tokens start.</summary>
    public PromptInit Init { get; init; }

    /// <summary>The text to start from.</summary>
    public string? InitText { get; init; }

    /// <summary>The directory of the tokenizer for that text.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>What Hugging Face gives its tokenizer's loader; kept as it is.</summary>
    internal JsonElement? TokenizerArguments { get; init; }

    internal static PromptTuningConfig Read(ConfigReader config) => new(config);

    internal override void WriteOwn(JsonObject json)
    {
        json["prompt_tuning_init"] = PromptInitializer.Name(Init);
        json["prompt_tuning_init_text"] = InitText;
        json["tokenizer_name_or_path"] = Tokenizer;
        json["tokenizer_kwargs"] = TokenizerArguments is { } arguments ? JsonNode.Parse(arguments.GetRawText()) : null;
    }

    internal override PromptEncoder NewEncoder(AttachContext context)
    {
        var tokens = context.NewParameter([NumVirtualTokens, TokenDim!.Value]);
        PromptInitializer.Fill(context, tokens, Init, InitText, Tokenizer);
        return new EmbeddingPrompt(tokens);
    }
}
