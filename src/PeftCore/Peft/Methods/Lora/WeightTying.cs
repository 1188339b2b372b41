using PeftCore.Models;
using PeftCore.Nn;

namespace PeftCore.Peft.Lora;

/// <summary>"ensure_weight_tying": if the base ties its head to the embedding, an adapter must change both alike. It has no effect on
/// untied bases, or on adapters that change neither table.</summary>
internal static class WeightTying
{
    private const string Field = "ensure_weight_tying";

    /// <summary>The module names for which Hugging Face PEFT ensures tying; it ignores those of other families.</summary>
    private static readonly string[] Known = ["embed_tokens", "lm_head"];

    /// <summary>Whether Hugging Face PEFT ensures tying for a module of this path.</summary>
    public static bool IsKnown(string path) => Known.Contains(path[(path.LastIndexOf('.') + 1)..]);

    /// <summary>Makes an embedding and a head that are trained in full share the embedding's parameter.</summary>
    public static void ShareSaved(AttachContext context, Adapter adapter)
    {
        var model = context.Base;
        if (!model.IsTied || model.VocabularyHead is not { } headLayer)
        {
            return;
        }
        var (embedding, head) = (Saved(adapter, model.TokenEmbedding), Saved(adapter, headLayer));
        if ((embedding ?? head) is null || !(IsKnown((embedding ?? head)!.Parameter.Path) || head is not null))
        {
            return;
        }
        var owner = embedding;
        if (owner is null)
        {
            string path = PathOf(model, model.TokenEmbedding);
            owner = new ParameterSwap(model.TokenEmbedding, "weight",
                new AdapterParameter(path, "modules_to_save.{0}.weight", "weight", context.NewCopy(model.TokenEmbedding.Weight, path)));
            adapter.Swaps.Add(owner);
        }
        if (head is not null)
        {
            adapter.Swaps.Remove(head);
            head.Value.Dispose();
        }
        string headPath = PathOf(model, headLayer);
        adapter.Swaps.Add(new ParameterSwap(headLayer, "weight", new AdapterParameter(headPath, "weight", "weight", owner.Value),
            trainable: false));
        string key = AdapterParameter.Prefix + headPath + ".weight";
        if (context.IsNew || context.StoredShape(key) is not null)
        {
            adapter.Tables.Add((headPath, key));
        }
    }

    /// <summary>Throws if the adapter changes one of two tied tables with a method that cannot change both alike.</summary>
    public static void RefuseIfChanged(AttachContext context, Adapter adapter)
    {
        if (context.Base.IsTied && AdapterTables.Of(context.Base).FirstOrDefault(table => IsKnown(table.Path) &&
            (adapter.Layers.Exists(layer => layer.Path == table.Path) || Saved(adapter, table.Module) is not null)) is { Path: { } path })
        {
            throw new BadInputException(
                $"{Field} is true, the base ties its head to the embedding, and the adapter changes \"{path}\": " +
                $"{adapter.Config.PeftType} cannot change both alike; leave it out, or set {Field} to false");
        }
    }

    /// <summary>The error for a LoRA on only one of two tied tables.</summary>
    /// <param name="context">The context of the adapter.</param>
    /// <param name="path">The module that has a LoRA.</param>
    /// <param name="other">The module that has none.</param>
    public static BadInputException NotThere(AttachContext context, string path, string other) => new(
        $"{Field} is true, and the base ties its head to the embedding: \"{other}\" would need a LoRA that shares the factors of " +
        $"\"{path}\", " +
        $"{(context.IsNew ? "which cannot be trained here" : "and the file has none")}; set {Field} to false{(context.IsNew ? $", or " +
        $"leave \"{path}\" out" : "")}");

    /// <summary>Throws if the file's two tables differ, or its factors for the two tables are not each other's transposes.</summary>
    public static void Check(TransformerModel model, AdapterWeights stored, bool trainable)
    {
        if (!model.IsTied)
        {
            return;
        }
        string embedding = AdapterParameter.Prefix + PathOf(model, model.TokenEmbedding),
            head = AdapterParameter.Prefix + PathOf(model, model.VocabularyHead!);
        if (stored.TryGet(embedding + ".weight", out var first) && stored.TryGet(head + ".weight", out var second)
            && !AdapterValues.AreAlike(first, second))
        {
            throw second.Error(
                $"differs from \"{embedding}.weight\", but {Field} is true and the base ties both; which one counts cannot be told: keep " +
                $"one, or set {Field} to false");
        }
        if (!stored.TryGet(embedding + ".lora_embedding_A", out var a) || !stored.TryGet(embedding + ".lora_embedding_B", out var b) ||
            !stored.TryGet(head + ".lora_A.weight", out var headA) || !stored.TryGet(head + ".lora_B.weight", out var headB))
        {
            return;
        }
        if (!AdapterValues.AreTransposed(a, headB) || !AdapterValues.AreTransposed(b, headA))
        {
            throw headA.Error(
                $"is not that of the embedding turned over, but {Field} is true and the base ties both; set {Field} to false");
        }
        if (trainable)
        {
            throw new BadInputException(
                $"{stored.Place}: {Field} is true, and a LoRA that embedding and head share cannot be trained further here; load it " +
                $"without training, or set {Field} to false");
        }
    }

    public static string PathOf(TransformerModel model, Module module) =>
        model.NamedModules().First(candidate => candidate.Module == module).Path;

    private static ParameterSwap? Saved(Adapter adapter, Module module) =>
        adapter.Swaps.Find(swap => swap.IsTrainable && swap.Replaces(module, "weight"));
}
