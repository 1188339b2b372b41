namespace PeftCore.Data;

/// <summary>The splits of a data set.</summary>
public sealed class DataSplits
{
    internal DataSplits(string path, IReadOnlyList<DataRow>? train, IReadOnlyList<DataRow>? validation, IReadOnlyList<DataRow>? test) =>
        (Path, Train, Validation, Test) = (path, train, validation, test);

    /// <summary>The file or directory.</summary>
    internal string Path { get; }

    /// <summary>Training rows.</summary>
    public IReadOnlyList<DataRow>? Train { get; }

    /// <summary>Validation rows, for evaluation during training.</summary>
    public IReadOnlyList<DataRow>? Validation { get; }

    /// <summary>Test rows, for evaluation after training.</summary>
    public IReadOnlyList<DataRow>? Test { get; }

    /// <summary>The rows to train on, which must be there.</summary>
    /// <exception cref="BadInputException">There are none.</exception>
    public IReadOnlyList<DataRow> RequireTrain() =>
        Train ?? throw new BadInputException(
        $"{Path}: the directory has no training data, expected a file named train.jsonl, train.json, train.csv or train.txt.");

    /// <summary>The evaluation rows: test, else validation, else those of a single file.</summary>
    public IReadOnlyList<DataRow> ForEvaluation() => Test ?? Validation ?? Train!;
}
