namespace PeftCore.Cli.Options;

/// <summary>Makes a property a flag and a name in a settings file. LearningRate is --learning-rate there and learning_rate here.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class SettingAttribute(string description) : Attribute
{
    /// <summary>One line for --help.</summary>
    public string Description { get; } = description;

    /// <summary>What may be written; null: whatever the type allows.</summary>
    public string[]? Choices { get; init; }

    /// <summary>The lowest number allowed.</summary>
    public double Min { get; init; } = double.NegativeInfinity;

    /// <summary>The highest number allowed.</summary>
    public double Max { get; init; } = double.PositiveInfinity;

    /// <summary>What --help shows in the place of the value.</summary>
    public string? Value { get; init; }

    /// <summary>Other names, Hugging Face's mostly.</summary>
    public string[] Aliases { get; init; } = [];

    /// <summary>What --help says of the default where the property's own would say too little.</summary>
    public string? Default { get; init; }

    /// <summary>Whether the text is a list with commas between, which a file may write as a list.</summary>
    public bool IsList { get; init; }

    /// <summary>Whether true and false are among the texts.</summary>
    public bool TakesBooleans { get; init; }
}
