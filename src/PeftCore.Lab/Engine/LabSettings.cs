namespace PeftCore.Lab.Engine;

/// <summary>The settings of one run, as the page sends them.</summary>
internal sealed record LabSettings
{
    /// <summary>The most characters of a prompt.</summary>
    public const int MostPrompt = 400;

    /// <summary>The method's name, as on the command line.</summary>
    public string Method { get; set; } = "lora";

    /// <summary>The method's size: the rank of low-rank methods, the number of virtual tokens of prompts; null for the default.</summary>
    public int? Size { get; set; }

    /// <summary>α of methods that scale by it; null for the default.</summary>
    public double? Alpha { get; set; }

    /// <summary>Names of the adapted modules; empty for the method's own.</summary>
    public IReadOnlyList<string> Targets { get; set; } = [];

    /// <summary>The learning rate, which is constant.</summary>
    public double LearningRate { get; set; } = 3e-3;

    /// <summary>Rows of a batch.</summary>
    public int BatchSize { get; set; } = 8;

    /// <summary>Seed of initial values, dropout and the order of the data.</summary>
    public ulong Seed { get; set; } = 1;

    /// <summary>Steps between two measurements on text that is not trained on.</summary>
    public int EvalSteps { get; set; } = 10;

    /// <summary>The prompt that is continued; null for the first held-out one.</summary>
    public string? Prompt { get; set; }
}
