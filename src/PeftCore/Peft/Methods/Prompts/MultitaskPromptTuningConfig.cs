using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Io;

namespace PeftCore.Peft.Prompts;

/// <summary>How the prompts of several tasks start.</summary>
public enum MultitaskPromptInit
{
    /// <summary>Standard normal numbers.</summary>
    Random,

    /// <summary>Embeddings of the tokens of a text.</summary>
    Text,

    /// <summary>The shared prompt of an earlier training, and the mean of its tasks' factors.</summary>
    AverageSourceTasks,

    /// <summary>The shared prompt of an earlier training, and the factors of one of its tasks.</summary>
    ExactSourceTask,

    /// <summary>The shared prompt of an earlier training.</summary>
    OnlySourceShared,
}

/// <summary>Hyperparameters of multitask prompt tuning (Wang et al. 2023): one prompt that all tasks share, times a product of low rank for
/// each task.</summary>
public sealed record MultitaskPromptTuningConfig : PromptLearningConfig
{
    private static readonly Dictionary<MultitaskPromptInit, string> InitNames = new()
    {
        [MultitaskPromptInit.Random] = "RANDOM",
        [MultitaskPromptInit.Text] = "TEXT",
        [MultitaskPromptInit.AverageSourceTasks] = "AVERAGE_SOURCE_TASKS",
        [MultitaskPromptInit.ExactSourceTask] = "EXACT_SOURCE_TASK",
        [MultitaskPromptInit.OnlySourceShared] = "ONLY_SOURCE_SHARED",
    };

    /// <summary>Hugging Face's defaults.</summary>
    public MultitaskPromptTuningConfig()
    {
    }

    private MultitaskPromptTuningConfig(ConfigReader config) : base(config)
    {
        var (init, problem) = PromptInitializer.Read(config, [.. InitNames.Values]);
        (Init, StartProblem) = (InitNames.First(pair => pair.Value == init).Key, problem);
        InitText = config.StringOrNull("prompt_tuning_init_text");
        Tokenizer = config.StringOrNull("tokenizer_name_or_path");
        TokenizerArguments = config.Raw("tokenizer_kwargs");
        InitStateDictPath = config.StringOrNull("prompt_tuning_init_state_dict_path");
        InitTask = config.Int("prompt_tuning_init_task", 0, min: 0);
        NumRanks = config.Int("num_ranks", 1, min: 1);
        NumTasks = config.Int("num_tasks", 1, min: 1);
    }

    /// <inheritdoc/>
    public override string PeftType => "MULTITASK_PROMPT_TUNING";

    /// <summary>How the prompts start.</summary>
    public MultitaskPromptInit Init { get; init; }

    /// <summary>The text to start from.</summary>
    public string? InitText { get; init; }

    /// <summary>The directory of the tokenizer for that text.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>The adapter_model.safetensors of an earlier training to start from.</summary>
    public string? InitStateDictPath { get; init; }

    /// <summary>The task of that training to start from.</summary>
    public int InitTask { get; init; }

    /// <summary>Rank of a task's factors.</summary>
    public int NumRanks { get; init; } = 1;

    /// <summary>Number of tasks.</summary>
    public int NumTasks { get; init; } = 1;

    internal JsonElement? TokenizerArguments { get; init; }

    internal static MultitaskPromptTuningConfig Read(ConfigReader config) => new(config);

    internal override void WriteOwn(JsonObject json)
    {
        json["prompt_tuning_init"] = InitNames[Init];
        json["prompt_tuning_init_text"] = InitText;
        json["tokenizer_name_or_path"] = Tokenizer;
        json["tokenizer_kwargs"] = TokenizerArguments is { } arguments ? JsonNode.Parse(arguments.GetRawText()) : null;
        json["prompt_tuning_init_state_dict_path"] = InitStateDictPath;
        json["prompt_tuning_init_task"] = InitTask;
        json["num_ranks"] = NumRanks;
        json["num_tasks"] = NumTasks;
    }

    internal override PromptEncoder NewEncoder(AttachContext context)
    {
        if (NumRanks < 1 || NumTasks < 1)
        {
            throw new BadInputException($"num_ranks is {NumRanks} and num_tasks {NumTasks}; both must be at least 1");
        }
        var prompt = new MultitaskPrompt(context, this);
        if (context.IsNew)
        {
            prompt.Start(context, this);
        }
        return prompt;
    }
}
