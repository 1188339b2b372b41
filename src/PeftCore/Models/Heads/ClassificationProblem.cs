using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>What a head that classifies sequences learns.</summary>
internal enum ClassificationProblem
{
    /// <summary>One class of each text: cross-entropy.</summary>
    SingleLabel,

    /// <summary>A number for each text: mean squared error.</summary>
    Regression,

    /// <summary>Any number of classes of each text: binary cross-entropy of each class.</summary>
    MultiLabel,
}

/// <summary>The problems by their names in config.json, "problem_type".</summary>
internal static class Problems
{
    /// <summary>The name of <see cref="ClassificationProblem.Regression"/>.</summary>
    public const string Regression = "regression";

    /// <summary>The name of <see cref="ClassificationProblem.MultiLabel"/>.</summary>
    public const string MultiLabel = "multi_label_classification";

    /// <summary>The name of <see cref="ClassificationProblem.SingleLabel"/>.</summary>
    public const string SingleLabel = "single_label_classification";

    /// <summary>The name of a problem.</summary>
    public static string NameOf(ClassificationProblem problem) => problem switch
    {
        ClassificationProblem.Regression => Regression,
        ClassificationProblem.MultiLabel => MultiLabel,
        _ => SingleLabel,
    };

    /// <summary>The problem of a head.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="asked">What the caller asks for; null for what the configuration says. If it says nothing, one class is a number to
    /// predict, as in transformers.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="BadInputException">There is no such problem, or it contradicts the number of classes.</exception>
    public static ClassificationProblem Of(ConfigReader config, string? asked, int classes)
    {
        const string Field = "problem_type";
        return (asked ?? config.StringOrNull(Field)) switch
        {
            null => classes == 1 ? ClassificationProblem.Regression : ClassificationProblem.SingleLabel,
            SingleLabel => ClassificationProblem.SingleLabel,
            MultiLabel => ClassificationProblem.MultiLabel,
            Regression when classes == 1 => ClassificationProblem.Regression,
            Regression => throw Error($"is \"{Regression}\", but there are {classes} classes; regression predicts one number, so set " +
                "num_labels to 1"),
            { } other => throw Error($"is \"{other}\", expected {SingleLabel}, {MultiLabel} or {Regression}"),
        };

        BadInputException Error(string what) => asked is null ? config.Error(Field, what) : new BadInputException($"{Field} {what}");
    }
}
