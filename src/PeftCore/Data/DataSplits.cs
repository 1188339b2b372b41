namespace PeftCore.Data;

/// <summary>The splits of a data set.</summary>
/// <param name="Path">The file or directory.</param>
/// <param name="Train">Training rows.</param>
/// <param name="Validation">Validation rows, for evaluation during training.</param>
/// <param name="Test">Test rows, for evaluation after training.</param>
public sealed record DataSplits(
    string Path, IReadOnlyList<DataRow>? Train, IReadOnlyList<DataRow>? Validation, IReadOnlyList<DataRow>? Test)
{
    /// <summary>The training rows; an error without any.</summary>
    /// <exception cref="BadInputException">There are none.</exception>
    public IReadOnlyList<DataRow> RequireTrain() =>
        Train ?? throw new BadInputException(
        $"{Path}: the directory has no training data, expected a file named train.jsonl, train.json, train.csv or train.txt.");

    /// <summary>The evaluation rows: test, else validation, else those of a single file.</summary>
    public IReadOnlyList<DataRow> ForEvaluation() => Test ?? Validation ?? Train!;
}
