using PeftCore.Io;

namespace PeftCore.Peft;

/// <summary>The files of an adapter directory: adapter_config.json, adapter_model.safetensors, and adapter_state.safetensors in a
/// checkpoint. They are written, and replaced, together.</summary>
internal static class AdapterDirectory
{
    public const string WeightsName = "adapter_model.safetensors";

    /// <summary>The file of the state that a resumed run needs in addition to the adapter's files.</summary>
    public const string StateName = "adapter_state.safetensors";

    private const int Attempts = 20;

    /// <summary>Writes configuration and weights together: a reader sees both files of the old adapter or both of the new one.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="config">The configuration.</param>
    /// <param name="tensors">The weights.</param>
    /// <param name="labels">What the model's head learns.</param>
    public static void Save(string directory, PeftConfig config, IEnumerable<SafetensorsTensor> tensors, SavedLabels labels) =>
        Update(directory, built =>
        {
            SafetensorsWriter.Write(Path.Combine(built, WeightsName), tensors, labels.Metadata());
            config.Save(Path.Combine(built, PeftConfig.FileName));
        });

    /// <summary>Replaces all files of an adapter at once; other files of the directory are kept.</summary>
    /// <param name="directory">The directory; created if it does not exist.</param>
    /// <param name="build">Writes the new files into the directory it is given.</param>
    public static void Update(string directory, Action<string> build) =>
        AtomicDirectory.Update(directory, build, name => name is WeightsName or PeftConfig.FileName or StateName);

    /// <summary>The directory of an adapter: <paramref name="directory"/> itself for "default", else the subdirectory of its
    /// name.</summary>
    public static string PathOf(string directory, string name) =>
        name == PeftModel.DefaultAdapter ? directory : Path.Combine(directory, name);

    /// <summary>The configuration file of a directory.</summary>
    public static string ConfigPath(string directory)
    {
        string usual = Path.Combine(directory, PeftConfig.FileName);
        return PendingFiles.Find(usual) ?? usual;
    }

    /// <exception cref="BadInputException">A file is missing.</exception>
    public static void RefuseIfNotAnAdapter(string directory)
    {
        AtomicDirectory.Recover(directory);
        if (!File.Exists(ConfigPath(directory)))
        {
            string below = Directory.Exists(directory) ? string.Join(", ", Directory.GetDirectories(directory)
                .Where(inner => File.Exists(Path.Combine(inner, PeftConfig.FileName))).Order(StringComparer.Ordinal).Take(5)) : "";
            throw new BadInputException(
                $"{directory}: this is no adapter directory, it has no {PeftConfig.FileName}{(below.Length > 0 ? $"; there is one in " +
                $"{below}" : "")}");
        }
        if (FindWeights(directory) is null)
        {
            throw new BadInputException(File.Exists(Path.Combine(directory, "adapter_model.bin"))
                ? $"{directory}: adapter_model.bin is a pickle, which is not read because it can run code; save the adapter again with " +
                "safetensors"
                : $"{directory}: {WeightsName} is missing");
        }
    }

    /// <summary>The weight file of a directory: adapter_model.safetensors, or the only file with another suffix to that name, as converters
    /// write it; null if there is none.</summary>
    public static string? FindWeights(string directory)
    {
        string usual = Path.Combine(directory, WeightsName);
        return PendingFiles.Find(usual) ?? (Directory.Exists(directory)
            && Directory.GetFiles(directory, "adapter_model*.safetensors") is [var other] ? other : null);
    }

    public static AdapterWeights OpenWeights(string directory) =>
        AdapterWeights.Open(FindWeights(directory) ?? Path.Combine(directory, WeightsName));

    /// <summary>Reads the configuration and opens the weights; retries if another process replaces them meanwhile.</summary>
    /// <exception cref="BadInputException">A file is missing or damaged.</exception>
    public static (PeftConfig Config, AdapterWeights Weights) Open(string directory, ICollection<string>? warnings)
    {
        for (int attempt = 0; ; attempt++)
        {
            RefuseIfNotAnAdapter(directory);
            var before = Stamp(directory);
            var found = new List<string>();
            var config = PeftConfig.Load(ConfigPath(directory), found);
            var weights = OpenWeights(directory);
            if (attempt == Attempts || before == Stamp(directory))
            {
                found.ForEach(warning => warnings?.Add(warning));
                return (config, weights);
            }
            weights.Dispose();
        }
    }

    /// <summary>Path, time and length of both files: they differ if another process has replaced the files.</summary>
    private static ((string?, DateTime, long) Config, (string?, DateTime, long) Weights) Stamp(string directory)
    {
        return (Of(ConfigPath(directory)), Of(FindWeights(directory)));

        static (string? Path, DateTime Written, long Length) Of(string? path) =>
            path is null || new FileInfo(path) is not { Exists: true } file ? default : (path, file.LastWriteTimeUtc, file.Length);
    }
}
