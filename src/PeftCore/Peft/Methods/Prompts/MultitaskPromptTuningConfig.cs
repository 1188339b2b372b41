using System.Text.Json;

namespace PeftCore.Peft.Prompts;

/// <summary>Initialisation of multitask prompts.</summary>
internal enum MultitaskPromptInit
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

/// <summary>Hyperparameters of multitask prompt tuning (Wang et al. 2023): one shared prompt, multiplied elementwise by a low-rank matrix
/// of each task.</summary>
public sealed record MultitaskPromptTuningConfig : PromptLearningConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<MultitaskPromptTuningConfig> Fields { get; } = new ConfigFields<MultitaskPromptTuningConfig>(new())
        .Prompts()
        .Start("prompt_tuning_init", c => c.Init, (c, v) => c with { Init = v },
            "Initialisation: standard normal numbers, embeddings of a text, or what an earlier training learned.",
            ("RANDOM", MultitaskPromptInit.Random), ("TEXT", MultitaskPromptInit.Text),
            ("AVERAGE_SOURCE_TASKS", MultitaskPromptInit.AverageSourceTasks), ("EXACT_SOURCE_TASK", MultitaskPromptInit.ExactSourceTask),
            ("ONLY_SOURCE_SHARED", MultitaskPromptInit.OnlySourceShared))
        .InitialText(c => c.InitText, (c, v) => c with { InitText = v }, c => c.Tokenizer, (c, v) => c with { Tokenizer = v },
            c => c.TokenizerArguments, (c, v) => c with { TokenizerArguments = v })
        .Text("prompt_tuning_init_state_dict_path", c => c.InitStateDictPath, (c, v) => c with { InitStateDictPath = v },
            "adapter_model.safetensors of the earlier training to start from.")
        .Int("prompt_tuning_init_task", c => c.InitTask, (c, v) => c with { InitTask = v }, "Task of that training to start from.", min: 0)
        .Int("num_ranks", c => c.NumRanks, (c, v) => c with { NumRanks = v }, "Rank of a task's factors.", min: 1)
        .Int("num_tasks", c => c.NumTasks, (c, v) => c with { NumTasks = v }, "Number of tasks.", min: 1);

    /// <summary>Initialisation of the prompts.</summary>
    internal MultitaskPromptInit Init { get; init; }

    /// <summary>The text whose token embeddings initialise the shared prompt.</summary>
    internal string? InitText { get; init; }

    /// <summary>The directory of the tokenizer for that text.</summary>
    internal string? Tokenizer { get; init; }

    /// <summary>The adapter_model.safetensors of an earlier training that initialises the prompts.</summary>
    internal string? InitStateDictPath { get; init; }

    /// <summary>Index of the task of that training whose factors initialise all tasks.</summary>
    internal int InitTask { get; init; }

    /// <summary>Rank of a task's factors u and v.</summary>
    public int NumRanks { get; init; } = 1;

    /// <summary>Number of tasks.</summary>
    public int NumTasks { get; init; } = 1;

    internal JsonElement? TokenizerArguments { get; init; }

    internal override PromptEncoder NewEncoder(AttachContext context)
    {
        if (context.Base is Models.Seq2SeqModel)
        {
            throw new BadInputException($"{context.Base.ModelType} models have no multitask prompts here, because Hugging Face PEFT " +
                "gives both of their stacks virtual tokens; prompt tuning gives them to the encoder");
        }
        var prompt = new MultitaskPrompt(context, this);
        if (context.IsNew)
        {
            prompt.Start(context, this);
        }
        return prompt;
    }
}
