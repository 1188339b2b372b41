using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Which matrices of a model can be kept off the device, and a loader's first step: to keep them there.</summary>
internal static class OffloadedBlocks
{
    /// <summary>A placement of a model with all weights on the device; any number of its blocks may then be offloaded. It has the frozen
    /// matrices of the blocks: norms, biases and tables are small or read outside of it, and trained parameters are written.</summary>
    /// <param name="model">A model with weights and adapters.</param>
    /// <param name="place">Where offloaded matrices are kept.</param>
    public static OffloadPlacement Of(TransformerModel model, OffloadPlace place)
    {
        var paths = model.NamedModules().ToDictionary(m => m.Module, m => m.Path);
        var uses = model.NamedModules().SelectMany(m => m.Module.OwnParameters).GroupBy(p => p.Value)
            .ToDictionary(group => group.Key, group => group.Count());
        var blocks = new List<BlockWeights>();
        foreach (var (index, block) in Modules(model))
        {
            var matrices = block.NamedModules().Where(m => m.Module is MatrixLayer or ExpertLinear)
                .Select(m => (Path: Module.Join(paths[block], m.Module.PathOf(m.Path, "weight")), Weight: m.Module.OwnParameter("weight")!))
                .Where(m => m.Weight is { RequiresGrad: false, IsMaterialized: true } && uses[m.Weight] == 1
                    && (place == OffloadPlace.Host || m.Weight.IsInFile))
                .Select(m => (m.Path, m.Weight.ByteCount)).ToList();
            if (matrices.Count > 0)
            {
                blocks.Add(new BlockWeights(index, paths[block], matrices));
            }
        }
        return new OffloadPlacement(blocks, place);
    }

    /// <summary>Keeps matrices of a declared model where the placement of its device says.</summary>
    /// <param name="model">The model, without weights.</param>
    /// <param name="backend">The device.</param>
    public static void Attach(TransformerModel model, Backend backend)
    {
        if (backend.Offload is not { } placement || !placement.Offloaded.Any())
        {
            return;
        }
        if (placement.Place == OffloadPlace.Host)
        {
            model.Streamer = LayerStreamer.Of(model, backend, placement);
            return;
        }
        var parameters = model.NamedParameters().ToDictionary(p => p.Path, p => p.Parameter, StringComparer.Ordinal);
        foreach (var (path, _) in placement.Offloaded.SelectMany(block => block.Matrices))
        {
            parameters[path].Offloaded = new MappedParameter();
        }
    }

    /// <summary>Gives a parameter that is kept on disk the file's bytes in place.</summary>
    /// <param name="entry">The stored tensor.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="backend">The device, which reads host memory.</param>
    public static void Map(WeightEntry entry, Parameter parameter, Backend backend)
    {
        var (address, release) = entry.Map();
        var storage = new ExternalStorage(backend, address, entry.Length, MemoryKind.Frozen, release);
        parameter.Set(Tensor.Owning(storage, parameter.Shape, WeightReader.DTypeOf(entry)));
    }

    /// <summary>The blocks that run once in a pass, in order. A module that runs as several blocks, as ALBERT's does, is none.</summary>
    private static IEnumerable<(int Index, Module Block)> Modules(TransformerModel model)
    {
        if (!model.StreamsBlocks)
        {
            return [];
        }
        try
        {
            return [.. Enumerable.Range(0, model.BlockCount).Select(i => (Index: i, model.ResidualsOf(i).Block))
                .GroupBy(block => block.Block).Where(group => group.Count() == 1)
                .Select(group => group.First())];
        }
        catch (BadInputException)
        {
            return []; // The family does not name its blocks.
        }
    }
}
