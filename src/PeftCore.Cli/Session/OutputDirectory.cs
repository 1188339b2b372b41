using PeftCore.Cli.Verbs;
using PeftCore.Io;

namespace PeftCore.Cli.Session;

/// <summary>The kind of content of an output directory.</summary>
internal enum OutputKind
{
    /// <summary>config.json and the weights of a whole model.</summary>
    Model,

    /// <summary>adapter_config.json and the weights of an adapter.</summary>
    Adapter,

    /// <summary>An adapter with a log and checkpoints.</summary>
    Run,

    /// <summary>The state to resume a run from; only a training run writes it.</summary>
    Checkpoint,

    /// <summary>Scores and a mask.</summary>
    Selection,

    /// <summary>A table, a plot and a directory for each method.</summary>
    Comparison,
}

/// <summary>Checks an output directory before anything is computed. Content of the same kind is replaced, with a note; content of another
/// kind is refused, because a reader would take both for one model or adapter.</summary>
internal static class OutputDirectory
{
    private static readonly (OutputKind Kind, string Word, string[] Files)[] Marks =
    [
        (OutputKind.Checkpoint, "a checkpoint", ["trainer_state.json"]),
        (OutputKind.Run, "a training run", ["training_log.jsonl", "training_settings.json"]),
        (OutputKind.Adapter, "an adapter", ["adapter_config.json", "adapter_model*.safetensors", "adapter_model.bin"]),
        (OutputKind.Model, "a model", ["config.json", "model*.safetensors", "model.safetensors.index.json", "pytorch_model*.bin",
            "diffusion_pytorch_model*"]),
        (OutputKind.Selection, "a selection of entries", ["mask.safetensors", "selection.json"]),
        (OutputKind.Comparison, "a comparison", ["comparison.md"]),
    ];

    /// <summary>Refuses an output directory that is an input, a file, or has content of another kind.</summary>
    /// <param name="output">The directory.</param>
    /// <param name="kind">The kind of content that is written.</param>
    /// <param name="inputs">The input directories, each with a word for its content.</param>
    /// <exception cref="BadInputException">The directory has other content.</exception>
    public static void Check(string output, OutputKind kind, params IReadOnlyList<(string? Path, string Word)> inputs)
    {
        RefuseFile(output);
        foreach (var (path, word) in inputs)
        {
            if (path is not null && RealPath.AreSame(path, output))
            {
                throw new BadInputException(
                    $"{output}: this is the directory of {word}, which the result would be mixed with; name another --output-dir.");
            }
        }
        // A run ends with its own adapter, so both kinds are in its directory.
        bool run = kind == OutputKind.Run && Holds(output, OutputKind.Run);
        foreach (var (_, word, files) in Marks.Where(mark => mark.Kind != kind && !(run && mark.Kind == OutputKind.Adapter)))
        {
            if (Found(output, files) is { } file)
            {
                throw new BadInputException(
                    $"{output}: the directory holds {word} ({file}), which the result would be mixed with; name another --output-dir.");
            }
        }
    }

    /// <summary>Notes that content of the same kind is replaced. Call it after all checks.</summary>
    public static void SayReplaced(string output, OutputKind kind, Invocation call)
    {
        var (_, word, files) = Marks.First(mark => mark.Kind == kind);
        if (Found(output, files) is { } file)
        {
            call.Terminal.Note($"{output}: the directory holds {word} ({file}), which the result replaces.");
        }
    }

    private static bool Holds(string output, OutputKind kind) => Found(output, Marks.First(mark => mark.Kind == kind).Files) is not null;

    /// <summary>Refuses a path that is a file, or below one.</summary>
    public static void RefuseFile(string output)
    {
        if (File.Exists(output))
        {
            throw new BadInputException($"{output}: a directory is to be written here, but this is a file; name another --output-dir.");
        }
        for (string? parent = Path.GetDirectoryName(Path.GetFullPath(output)); parent is not null; parent = Path.GetDirectoryName(parent))
        {
            if (File.Exists(parent))
            {
                throw new BadInputException(
                    $"{output}: a directory is to be written here, but {parent} is a file; name another --output-dir.");
            }
        }
    }

    /// <summary>Creates a directory and those above it.</summary>
    /// <exception cref="BadInputException">The place is a file, or may not be written to.</exception>
    public static void Create(string directory)
    {
        RefuseFile(directory);
        try
        {
            Directory.CreateDirectory(directory);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Writing(directory, e);
        }
    }

    /// <summary>Refuses an output directory inside an input or around it.</summary>
    public static void CheckApart(string output, params IReadOnlyList<(string? Path, string Word)> inputs)
    {
        foreach (var (path, word) in inputs)
        {
            if (path is not null && (RealPath.IsInside(output, path) || RealPath.IsInside(path, output)))
            {
                throw new BadInputException(
                    $"{output}: this directory and that of {word}, {path}, are one inside the other; name another --output-dir.");
            }
        }
    }

    /// <summary>Refuses weights in several files, or of another format: they would remain next to the new model.</summary>
    public static void RefuseOtherWeights(string output)
    {
        if (Found(output, ["model.safetensors.index.json", "model-*.safetensors", "pytorch_model*.bin",
            "diffusion_pytorch_model-*", "diffusion_pytorch_model.safetensors.index.json", "diffusion_pytorch_model*.bin"]) is { } file)
        {
            throw new BadInputException(
                $"{output}: the directory holds weights ({file}) that would stay beside the new ones; name another --output-dir, or " +
                "remove them.");
        }
    }

    /// <summary>Refuses directories of methods that an earlier comparison left and this one does not write.</summary>
    /// <param name="output">The directory.</param>
    /// <param name="names">The directories that are written.</param>
    public static void RefuseOtherMethods(string output, IReadOnlyCollection<string> names)
    {
        if (!Directory.Exists(output))
        {
            return;
        }
        string? other = Directory.EnumerateDirectories(output).Select(path => Path.GetFileName(path))
            .FirstOrDefault(name => name.Length > 3 && char.IsAsciiDigit(name[0]) && char.IsAsciiDigit(name[1]) && name[2] == '-'
                && !name.EndsWith(".new", StringComparison.Ordinal) && !names.Contains(name));
        if (other is not null)
        {
            throw new BadInputException(
                $"{output}: the directory holds {other} of an earlier comparison, which would stay beside the new ones; name another " +
                "--output-dir, or remove it.");
        }
    }

    private static string? Found(string directory, string[] patterns) => !Directory.Exists(directory) ? null
        : patterns.SelectMany(pattern => Directory.EnumerateFiles(directory, pattern)).Select(path => Path.GetFileName(path))
        .FirstOrDefault();
}
