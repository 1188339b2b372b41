using PeftCore.Peft.Lora;

namespace PeftCore.Peft;

public sealed partial class PeftModel
{
    /// <summary>Makes a new LoRA adapter out of several, by weights; they may be of any method that adds to the weights of linear layers.
    /// It is attached, but neither active nor training.</summary>
    /// <param name="names">The adapters.</param>
    /// <param name="weights">One weight an adapter; negative ones take an adapter's effect away.</param>
    /// <param name="newName">The new adapter's name.</param>
    /// <param name="combination">How they are combined. One adapter alone is always taken as it is, times its weight.</param>
    /// <param name="density">Share of the elements that pruning combinations keep.</param>
    /// <param name="majoritySign">Which sign counts where signs are elected.</param>
    /// <param name="svdRank">Rank of combinations that end in a factorisation; null for the largest rank among the adapters.</param>
    /// <param name="seed">Seed of what is dropped at random.</param>
    /// <exception cref="BadInputException">The adapters cannot be combined in this way.</exception>
    public void AddWeightedAdapter(IReadOnlyList<string> names, IReadOnlyList<double> weights, string newName,
        CombinationType combination = CombinationType.Svd,
        double? density = null, MajoritySign majoritySign = MajoritySign.Total, int? svdRank = null, ulong seed = 0)
    {
        var sum = OnPlainBase(() => new AdapterCombination(Base, [.. names.Select(Get)], weights, combination, density, majoritySign,
            svdRank, seed));
        var adapter = Attach(sum.Config(Base), new AttachContext(Base, newName, seed) { IsNew = false });
        sum.Fill(adapter);
        Register(adapter);
        adapter.SetRequiresGrad(false, active: false);
    }

    /// <summary>Saves an adapter of any method that adds to or scales weights of linear layers as a LoRA: of each layer's update the
    /// largest singular values are kept.</summary>
    /// <param name="directory">Made if it is not there.</param>
    /// <param name="rank">The LoRA's rank.</param>
    /// <param name="name">The adapter.</param>
    /// <returns>The relative error of each layer.</returns>
    /// <exception cref="BadInputException">The adapter does something no LoRA can do.</exception>
    public IReadOnlyList<ConvertedLayer> SaveAsLora(string directory, int rank, string name = DefaultAdapter)
    {
        var adapter = Get(name);
        bool merged = _merged.Count > 0;
        Unmerge();
        try
        {
            return OnTables(adapter, () =>
            {
                var conversion = new LoraConversion(adapter, rank, path => Base.Find(path)!);
                AdapterFiles.Save(DirectoryOf(directory, name), conversion.Config,
                    conversion.Tensors.Concat(AdapterFiles.KeptTables(Base, adapter)));
                return conversion.Layers;
            });
        }
        finally
        {
            if (merged)
            {
                Merge(safe: false);
            }
        }
    }

    /// <summary>Saves an adapter that starts from directions of the base weights (PiSSA, OLoRA) as a plain LoRA of twice the rank, which
    /// computes the same on the unchanged base and can be combined with others. Any other LoRA is saved as it is.</summary>
    /// <param name="directory">Made if it is not there.</param>
    /// <param name="name">The adapter.</param>
    /// <exception cref="BadInputException">The adapter is no LoRA.</exception>
    public void SaveConverted(string directory, string name = DefaultAdapter)
    {
        var adapter = Get(name);
        if (adapter.Config is not LoraConfig config)
        {
            throw new BadInputException($"adapter \"{name}\" is {adapter.Config.PeftType}; only LoRA adapters are converted");
        }
        if (!config.Init.ChangesBase)
        {
            Save(directory, name);
            return;
        }
        OnPlainBase(() => AdapterFiles.Save(DirectoryOf(directory, name), PlainConversion.Config(config),
            PlainConversion.Tensors(adapter).Concat(AdapterFiles.SavedTables(Base, adapter))));
    }

    /// <summary>Runs code on the plain base but for the token tables of an adapter, whose rows its layers have.</summary>
    private T OnTables<T>(Adapter adapter, Func<T> body) => OnPlainBase(() =>
    {
        var tables = adapter.Swaps.Where(swap => !swap.IsTrainable && adapter.Tables.Exists(table => table.Path == swap.Parameter.Path))
            .ToList();
        tables.ForEach(swap => swap.Activate());
        try
        {
            return body();
        }
        finally
        {
            tables.ForEach(swap => swap.Deactivate());
        }
    });
}
