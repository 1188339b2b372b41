namespace PeftCore.Peft;

/// <summary>Frozen projections that all layers of an adapter share.</summary>
internal static class SharedProjections
{
    /// <summary>Whether the file holds the projections. They are used even if save_projection is false, because the adapter was trained
    /// with them.</summary>
    public static bool AreSaved(AttachContext context, bool saved, string name)
    {
        bool stored = context.StoredShape(AdapterParameter.ModelPrefix + name) is not null;
        if (stored && !saved)
        {
            context.Warnings?.Add(
                $"{context.Place}: save_projection is false, but the projections are in the file; they are used, and not drawn again " +
                "from projection_prng_key");
        }
        return saved || stored;
    }
}
