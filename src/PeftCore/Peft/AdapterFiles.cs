using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>adapter_config.json and adapter_model.safetensors, with Hugging Face PEFT's keys. Keys that do not fit are an error here, in both
/// directions; there they are a warning.</summary>
internal static class AdapterFiles
{
    public const string WeightsName = "adapter_model.safetensors";

    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt" };

    public static void Save(PeftModel model, Adapter adapter, string directory)
    {
        CreateDirectory(directory);
        var tensors = adapter.Parameters.Concat(SavedEmbeddings(model, adapter)).Select(p => ToFile(p.FileName, p.Parameter)).ToList();
        SafetensorsWriter.Write(Path.Combine(directory, WeightsName), tensors, Metadata);
        adapter.Config.Save(Path.Combine(directory, PeftConfig.FileName));
    }

    public static void RefuseIfNotAnAdapter(string directory)
    {
        if (!File.Exists(Path.Combine(directory, PeftConfig.FileName)))
        {
            throw new BadInputException($"{directory}: this is no adapter directory, it has no {PeftConfig.FileName}");
        }
        if (!File.Exists(Path.Combine(directory, WeightsName)))
        {
            throw new BadInputException(File.Exists(Path.Combine(directory, "adapter_model.bin"))
                ? $"{directory}: adapter_model.bin is a pickle, which is not read because it can run code; save the adapter again with safetensors"
                : $"{directory}: {WeightsName} is missing");
        }
    }

    /// <summary>Reads every parameter of an attached adapter; all keys must fit, both ways.</summary>
    public static void ReadWeights(PeftModel model, Adapter adapter, string directory)
    {
        using var source = WeightSource.OpenFile(Path.Combine(directory, WeightsName));
        var unused = new HashSet<string>(source.Names, StringComparer.Ordinal);
        var missing = new List<string>();
        foreach (var parameter in adapter.Parameters)
        {
            if (!source.TryGet(parameter.FileName, out var entry))
            {
                missing.Add(parameter.FileName);
                continue;
            }
            unused.Remove(parameter.FileName);
            Read(entry, parameter.Parameter, model.Backend);
        }
        foreach (var embedding in SavedEmbeddings(model, adapter).Where(embedding => unused.Remove(embedding.FileName)))
        {
            ReadEmbedding(model, adapter, embedding, source.Get(embedding.FileName));
        }
        Refuse(source, missing, [.. unused.Order(StringComparer.Ordinal)]);
    }

    /// <summary>Base tables that are saved along because the adapter targets them under their usual names; Hugging Face PEFT does so in case they
    /// were resized.</summary>
    private static IEnumerable<AdapterParameter> SavedEmbeddings(PeftModel model, Adapter adapter)
    {
        if (adapter.Config is not Lora.LoraConfig { TargetModules: { } targets } ||
            !(targets.Names?.Any(name => name is "embed_tokens" or "lm_head") ??
              (targets.Pattern!.Contains("embed_tokens", StringComparison.Ordinal) || targets.Pattern.Contains("lm_head", StringComparison.Ordinal))))
        {
            yield break;
        }
        foreach (var (path, layer) in adapter.Layers)
        {
            var module = model.Base.Find(path)!;
            if (layer is not TrainableTokenRows && (module == model.Base.TokenEmbedding || module == model.Base.Head))
            {
                yield return new AdapterParameter(path, "base_layer.weight", "base_layer.weight", module.OwnParameter("weight")!);
            }
        }
    }

    private static void ReadEmbedding(PeftModel model, Adapter adapter, AdapterParameter embedding, WeightEntry entry)
    {
        var module = model.Base.Find(embedding.Path)!;
        var copy = new Parameter(embedding.Parameter.Shape);
        WeightReader.Read(entry, copy, model.Backend, embedding.Parameter.Value.DType);
        if (copy.Value.ToBytes().AsSpan().SequenceEqual(embedding.Parameter.Value.ToBytes()))
        {
            copy.Dispose();
            return;
        }
        adapter.Swaps.Add(new ParameterSwap(module, "weight", embedding with { Parameter = copy }, trains: false));
    }

    private static void Read(WeightEntry entry, Parameter parameter, IBackend backend)
    {
        var fresh = new Parameter(parameter.Shape);
        WeightReader.Read(entry, fresh, backend, DType.F32);
        backend.Copy(fresh.Value, parameter.Value);
        fresh.Dispose();
    }

    private static void Refuse(WeightSource source, List<string> missing, List<string> unused)
    {
        if (missing.Count == 0 && unused.Count == 0)
        {
            return;
        }
        var parts = new List<string>();
        if (missing.Count > 0)
        {
            parts.Add($"{missing.Count} keys are missing ({Some(missing)})");
        }
        if (unused.Count > 0)
        {
            parts.Add($"{unused.Count} keys fit nothing ({Some(unused)})");
        }
        throw new BadInputException($"{source.Place}: the adapter does not fit its configuration and this model: {string.Join(" and ", parts)}");
    }

    private static string Some(List<string> names) => string.Join(", ", names.Take(3)) + (names.Count > 3 ? ", …" : "");

    private static SafetensorsTensor ToFile(string name, Parameter parameter) => ModelWriter.ToFile(name, parameter);

    private static void CreateDirectory(string directory)
    {
        try
        {
            Directory.CreateDirectory(directory);
        }
        catch (Exception e) when (FileProblem.IsFileError(e))
        {
            throw FileProblem.Writing(directory, e);
        }
    }
}
