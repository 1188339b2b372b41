namespace PeftCore.Data;

/// <summary>The parts of a data set that are there.</summary>
/// <param name="Path">The file or directory it was read from.</param>
/// <param name="Train">Rows to train on.</param>
/// <param name="Validation">Rows to evaluate on while training.</param>
/// <param name="Test">Rows to evaluate on at the end.</param>
public sealed record DataSplits(
    string Path, IReadOnlyList<DataRow>? Train, IReadOnlyList<DataRow>? Validation, IReadOnlyList<DataRow>? Test)
{
    /// <summary>The rows to train on, which must be there.</summary>
    /// <exception cref="BadInputException">There are none.</exception>
    public IReadOnlyList<DataRow> RequireTrain() =>
        Train ?? throw new BadInputException(
        $"{Path}: the directory has no training data, expected a file named train.jsonl, train.json, train.csv or train.txt.");

    /// <summary>The rows to evaluate on: those for test, else for validation, else those of the one file that was given.</summary>
    public IReadOnlyList<DataRow> ForEvaluation() => Test ?? Validation ?? Train!;
}
