using PeftCore.Peft;
using PeftCore.Server.Http;

namespace PeftCore.Server.Engine;

/// <summary>What the model name of a request stands for: the base, or the base with an adapter.</summary>
/// <param name="Adapter">The adapter's name, or <see cref="PeftModel.NoAdapter"/>.</param>
/// <param name="Directory">The adapter's directory; null for the base.</param>
internal sealed record ModelTarget(string Adapter, string? Directory)
{
    /// <summary>Finds a model by its name.</summary>
    /// <exception cref="ApiException">There is no model of the name.</exception>
    public static ModelTarget Of(string name, ServedModel served, AdapterDirectories directories) =>
        name == served.Name ? new ModelTarget(PeftModel.NoAdapter, null)
        : directories.Find(name) is { } directory ? new ModelTarget(name, directory)
        : throw new ApiException(404, "there is no model of this name" +
            $"{Spelling.DidYouMean(name[..Math.Min(name.Length, 128)], [served.Name, .. directories.Names])} (/v1/models lists the names)",
            "model", "model_not_found");

    /// <summary>Attaches the adapter, if it is not, until the result is disposed; null for the base.</summary>
    public async Task<IAdapterLease?> Lease(AdapterPool pool, CancellationToken cancel) =>
        Directory is null ? null : await pool.Use(Adapter, Directory, cancel);
}
