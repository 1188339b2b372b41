using PeftCore.Fuzz.Inputs;
using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Fuzz.Kinds;

/// <summary>Compares a loaded model with its configuration.</summary>
/// <returns>The difference; null if there is none.</returns>
internal delegate string? ConfigCheck(TransformerModel model, IReadOnlyCollection<string> warnings);

/// <summary>The expected outcome of a changed configuration.</summary>
/// <param name="Expectation">The expected outcome.</param>
/// <param name="Names">Words of which a warning must contain one.</param>
/// <param name="Check">The check of an accepted configuration.</param>
internal sealed record Claim(Expectation Expectation, IReadOnlyList<string> Names, ConfigCheck? Check = null)
{
    /// <summary>A contradiction about these fields.</summary>
    public static Claim About(params string[] names) => new(Expectation.RefuseOrWarn, names);

    /// <summary>An invalid value, which must be rejected.</summary>
    public static Claim Impossible { get; } = new(Expectation.Refuse, []);
}

/// <summary>Comparisons of configurations.</summary>
internal static class ConfigChecks
{
    /// <summary>The model must be the one that another config.json declares.</summary>
    public static ConfigCheck SameAs(string json) => (model, _) =>
        ConfigOf(model).Equals(ConfigOf(ModelLoader.Declare(ConfigReader.Parse(json, "neutral")))) ? null
        : $"the meaning differs: {ConfigOf(model)}";

    /// <summary>Without a warning that names one of these fields, the model must be the one that another config.json declares.</summary>
    public static ConfigCheck WarnedOrSameAs(string json, params string[] names) => (model, warnings) =>
    {
        if (warnings.Any(warning => names.Any(name => warning.Contains(name, StringComparison.Ordinal))))
        {
            return null;
        }
        try
        {
            return SameAs(json)(model, warnings);
        }
        catch (BadInputException)
        {
            return "read, though the part that counts is refused alone";
        }
    };

    /// <summary>The hyperparameters of a model.</summary>
    public static object ConfigOf(TransformerModel model) => model switch
    {
        Decoder decoder => decoder.Spec,
        _ => throw new NotSupportedException($"{model.GetType()} has no configuration to compare"),
    };
}
