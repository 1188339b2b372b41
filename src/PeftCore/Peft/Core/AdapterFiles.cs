using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Peft.Lora;

namespace PeftCore.Peft;

/// <summary>Saves and loads the adapters of a model in Hugging Face PEFT's files, and the state from which a run resumes.</summary>
internal sealed class AdapterFiles(TransformerModel model, AdapterRegistry registry, ActiveSet set, Merger merger)
{
    /// <inheritdoc cref="PeftModel.Save"/>
    public void Save(string directory, IReadOnlyCollection<string> names) => AdapterDirectory.Update(directory, built =>
    {
        foreach (string name in names)
        {
            var adapter = registry.Get(name);
            if (adapter.Config is LoraConfig { Init: LoraInit.Corda or LoraInit.LoraGa })
            {
                SaveConverted(built, name); // Their initial factors cannot be computed again from the base.
                continue;
            }
            SavePlain(adapter, AdapterDirectory.PathOf(built, name));
        }
    });

    /// <inheritdoc cref="PeftModel.Load(string, string, bool, ICollection{string}?)"/>
    public void Load(string directory, string name, bool trainable, bool likeReference, ICollection<string>? warnings)
    {
        var (config, source) = AdapterDirectory.Open(directory, warnings);
        using var open = source;
        source.Rename(model.Renamed);
        source.LeaveOutUnread(model, warnings);
        string configPath = AdapterDirectory.ConfigPath(directory);
        using var tables = set.OnPlainBase(() => AdapterTables.Read(model, source));
        var adapter = registry.Create(config, new AttachContext(model, name, seed: 0, source.MostElements)
        {
            Place = configPath,
            Stored = source,
            Warnings = warnings,
            LikeReference = likeReference,
        }, tables);
        try
        {
            set.OnPlainBase(() => AdapterReader.Read(adapter, source, tables, warnings));
            set.OnPlainBase(() => config.CheckStored(model, source, trainable));
        }
        catch
        {
            adapter.Free();
            throw;
        }
        foreach (string warning in source.Warnings())
        {
            warnings?.Add(warning);
        }
        registry.Attach(adapter);
        adapter.SetRequiresGrad(trainable, active: false);
        set.Activate(adapter);
    }

    /// <inheritdoc cref="PeftModel.Load(string, string, Backend)"/>
    public static PeftModel LoadWithBase(string baseDirectory, string adapterDirectory, Backend backend)
    {
        var peft = new PeftModel(ModelLoader.Load(baseDirectory, backend));
        try
        {
            peft.Load(adapterDirectory);
            return peft;
        }
        catch
        {
            peft.Base.Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="PeftModel.Reload"/>
    public void Reload(string directory, string name)
    {
        AtomicDirectory.Recover(directory);
        using var source = AdapterDirectory.OpenWeights(directory);
        source.Rename(model.Renamed);
        source.LeaveOutUnread(model, warnings: null);
        var adapter = registry.Get(name);
        set.OnPlainBase(() =>
        {
            using var tables = AdapterTables.Read(model, source);
            AdapterReader.Read(adapter, source, tables);
        });
        if (merger.Unmerge(adapter))
        {
            merger.Merge(safe: false);
        }
    }

    /// <inheritdoc cref="PeftModel.SaveState"/>
    public void SaveState(string directory, string name) => AdapterDirectory.Update(directory, built =>
    {
        Save(built, [name]);
        if (registry.Get(name).State is { } state)
        {
            SafetensorsWriter.Write(StateFile(built, name), state().Select(entry => entry.ToFile()));
        }
    });

    /// <inheritdoc cref="PeftModel.LoadState"/>
    public void LoadState(string directory, string name)
    {
        if (registry.Get(name).State is not { } state)
        {
            Reload(AdapterDirectory.PathOf(directory, name), name);
            return;
        }
        using var source = OpenState(directory, name);
        var entries = state().ToList();
        entries.ForEach(entry => entry.Check(source.Get(entry.Name)));
        entries.ForEach(entry => entry.Read(source.Get(entry.Name)));
    }

    /// <inheritdoc cref="PeftModel.ResumeCalibratedAdapter"/>
    public void Resume(LoraConfig config, string directory, string name, ulong seed)
    {
        if (!config.Init.ChangesBase)
        {
            // With EVA, the file's rank_pattern holds the chosen ranks. Only C3A uses likeReference.
            Load(directory, name, trainable: true, likeReference: false, warnings: null);
            return;
        }
        using (var source = OpenState(directory, name))
        {
            var factors = source.Names.Where(entry => entry.EndsWith(LoraState.InitialA, StringComparison.Ordinal))
                .Select(entry => entry[..^LoraState.InitialA.Length])
                .ToDictionary(path => path, path => LowRankFactors.Of(source.Get(path + LoraState.InitialA),
                    source.Get(path + LoraState.InitialB)), StringComparer.Ordinal);
            registry.Add(config, new AttachContext(model, name, seed) { Factors = factors });
        }
        LoadState(directory, name);
    }

    /// <inheritdoc cref="PeftModel.SaveAsLora"/>
    public IReadOnlyList<(string Path, double Error)> SaveAsLora(string directory, int rank, string name)
    {
        var adapter = registry.Get(name);
        return merger.WhileUnmerged(() => OnTables(adapter, () =>
        {
            var conversion = new LoraConversion(adapter, rank, path => model.Find(path)!);
            AdapterDirectory.Save(AdapterDirectory.PathOf(directory, name), conversion.Config,
                conversion.Tensors.Concat(SavedTables.OfConverted(model, adapter)), SavedLabels.Of(model));
            return conversion.Layers;
        }));
    }

    /// <inheritdoc cref="PeftModel.SaveConverted"/>
    public void SaveConverted(string directory, string name)
    {
        var adapter = registry.Get(name);
        if (adapter.Config is not LoraConfig config)
        {
            throw new BadInputException($"adapter \"{name}\" is {adapter.Config.PeftType}; only LoRA adapters are converted");
        }
        if (!config.Init.ChangesBase)
        {
            Save(directory, [name]);
            return;
        }
        set.OnPlainBase(() => AdapterDirectory.Save(AdapterDirectory.PathOf(directory, name), PlainConversion.Config(config),
            PlainConversion.Tensors(adapter).Concat(SavedTables.Of(model, adapter)), SavedLabels.Of(model)));
    }

    private void SavePlain(Adapter adapter, string directory) => set.OnPlainBase(() => AdapterDirectory.Save(directory, adapter.Config,
        adapter.Entries.Select(entry => entry.ToFile()).Concat(SavedTables.Of(model, adapter)), SavedLabels.Of(model)));

    /// <summary>Runs code on the base's original parameters, except for the adapter's token tables, whose number of rows its layers
    /// have.</summary>
    private T OnTables<T>(Adapter adapter, Func<T> body) => set.OnPlainBase(() =>
    {
        var tables = adapter.Swaps
            .Where(swap => !swap.IsTrainable && adapter.Tables.Exists(table => table.Path == swap.Parameter.Path)).ToList();
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

    private static WeightSource OpenState(string directory, string name)
    {
        string path = StateFile(directory, name);
        AtomicDirectory.Recover(AdapterDirectory.PathOf(directory, name));
        return WeightSource.OpenFile(PendingFiles.Find(path) ?? path);
    }

    private static string StateFile(string directory, string name) =>
        Path.Combine(AdapterDirectory.PathOf(directory, name), AdapterDirectory.StateName);
}
