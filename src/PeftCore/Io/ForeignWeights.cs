namespace PeftCore.Io;

/// <summary>Names unsupported weight formats and how to convert them.</summary>
internal static class ForeignWeights
{
    private const string Save = ".save_pretrained(dir, safe_serialization=True)";
    private const string Pickle = "pickled by PyTorch, and pickles can run code";

    // Ending of the name, format, how to convert it.
    private static readonly (string Ending, string Kind, string WayOut)[] Formats =
    [
        (".bin", Pickle, "convert it once in Python with AutoModelForCausalLM.from_pretrained(dir)" + Save),
        (".bin.index.json", Pickle, "convert it once in Python with AutoModelForCausalLM.from_pretrained(dir)" + Save),
        (".pt", Pickle, "convert it once in Python with torch.load and safetensors.torch.save_file"),
        (".pth", Pickle, "convert it once in Python with torch.load and safetensors.torch.save_file"),
        (".ckpt", Pickle, "convert it once in Python with torch.load and safetensors.torch.save_file"),
        (".h5", "TensorFlow", "convert it once in Python with AutoModelForCausalLM.from_pretrained(dir, from_tf=True)" + Save),
        (".msgpack", "Flax", "convert it once in Python with AutoModelForCausalLM.from_pretrained(dir, from_flax=True)" + Save),
        (".onnx", "ONNX", "take the safetensors model it was exported from"),
        (".npz", "NumPy", "convert it once in Python with numpy.load and safetensors.numpy.save_file"),
        (".safetensors", "safetensors under an unknown name",
            "rename a single file to model.safetensors; shards need their model.safetensors.index.json; Mistral's consolidated files " +
            "need conversion"),
    ];

    // Files of these names are not model weights.
    private static readonly string[] Others =
    [
        "training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.bin", "scheduler.pt", "rng_state.pth", "adapter_model.bin",
        "adapter_model.safetensors",
    ];

    /// <summary>The error for a file that is given as a model; null for an unknown name.</summary>
    public static string? WhyNot(string path)
    {
        string name = Path.GetFileName(path);
        var format = Formats.FirstOrDefault(f => name.EndsWith(f.Ending, StringComparison.OrdinalIgnoreCase));
        return format.Ending is null || Others.Contains(name) ? null
            : $"the weights are in {name} ({format.Kind}), which is not read here; {format.WayOut}";
    }

    /// <summary>The error for a directory with weights in an unsupported format only; null if it has none.</summary>
    public static string? In(string directory)
    {
        string[] names;
        try
        {
            names = [.. Directory.EnumerateFiles(directory).Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            return null;
        }
        return Formats.SelectMany(f => names.Where(name => name.EndsWith(f.Ending, StringComparison.OrdinalIgnoreCase)))
            .Select(WhyNot).FirstOrDefault(found => found is not null);
    }
}
