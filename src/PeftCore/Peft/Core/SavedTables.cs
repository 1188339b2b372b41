using PeftCore.Io;
using PeftCore.Models;

namespace PeftCore.Peft;

/// <summary>Token tables (input embedding, head) that are saved in full with an adapter, as in Hugging Face PEFT: those that the adapter's
/// file had, those of a base whose vocabulary was resized, and those that a LoRA targets under their usual names. The base must have its
/// original parameters.</summary>
internal static class SavedTables
{
    /// <summary>The tables saved with an adapter.</summary>
    public static IEnumerable<SafetensorsTensor> Of(TransformerModel model, Adapter adapter)
    {
        HashSet<string> claimed = [.. adapter.Entries.Select(entry => entry.Name)];
        foreach (var (path, module) in AdapterTables.Of(model))
        {
            if (KeyOf(model, adapter, path) is { } key && !claimed.Contains(key))
            {
                var swap = adapter.Swaps.Find(swap => !swap.IsTrainable && swap.Replaces(module, "weight"));
                yield return ModelWriter.ToFile(key, swap?.Value ?? module.OwnParameter("weight")!);
            }
        }
    }

    /// <summary>The tables that are saved when the adapter is converted to another method: all except those that are saved because a LoRA
    /// targets them.</summary>
    public static IEnumerable<SafetensorsTensor> OfConverted(TransformerModel model, Adapter adapter) =>
        adapter.Tables.Count > 0 || model.ResizedFrom is not null ? Of(model, adapter) : [];

    /// <summary>The key under which a token table is saved; null if it is not saved.</summary>
    private static string? KeyOf(TransformerModel model, Adapter adapter, string path)
    {
        if (adapter.Tables.Find(table => table.Path == path) is { Key: { } key })
        {
            return key;
        }
        bool isChanged = adapter.Layers.Exists(layer => layer.Path == path && layer.Layer is not TrainableTokenRows);
        if (model.ResizedFrom is null && !(isChanged && IsTargetedByName(adapter.Config)))
        {
            return null;
        }
        return (adapter.Prompt is null ? AdapterParameter.Prefix : AdapterParameter.ModelPrefix) + path
            + (isChanged ? ".base_layer.weight" : ".weight");
    }

    /// <summary>Whether a LoRA targets a token table under its usual name. Hugging Face PEFT then saves the table, because it may have been
    /// resized.</summary>
    private static bool IsTargetedByName(PeftConfig config) => config is Lora.LoraConfig { TargetModules: { } targets } &&
        (targets.Names?.Any(name => name is "embed_tokens" or "lm_head") ??
         (targets.Pattern!.Contains("embed_tokens", StringComparison.Ordinal)
             || targets.Pattern.Contains("lm_head", StringComparison.Ordinal)));
}
