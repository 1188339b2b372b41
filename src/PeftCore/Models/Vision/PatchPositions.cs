using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Learned positions of patches. For pictures of another size they are interpolated between those of the model's own grid by cubic
/// convolution (Keys 1981, with a = −0.75 as PyTorch's "bicubic" has it): a linear map, so that they train as ever.</summary>
/// <param name="grid">The model's own grid.</param>
internal sealed class PatchPositions(PictureGrid grid) : IDisposable
{
    private const double A = -0.75;
    private const int MostGrids = 16;

    private readonly Dictionary<PictureGrid, Tensor> _maps = [];
    private readonly Lock _lock = new();

    /// <summary>How many times the maps were freed: a captured pass reads them at their address.</summary>
    public int Version { get; private set; }

    /// <summary>Whether a grid is the model's own, whose positions need no interpolation.</summary>
    public bool IsOwn(PictureGrid wanted) => wanted == grid;

    /// <summary>The interpolated positions of a grid's patches.</summary>
    /// <param name="positions">(own patches, C)</param>
    /// <param name="wanted">The grid.</param>
    /// <returns>F32 (patches, C)</returns>
    public Tensor Of(Tensor positions, PictureGrid wanted)
    {
        using var scope = new TensorScope();
        return scope.Return(MapTo(wanted, positions.Backend).MatMul(positions.Cast(DType.F32)));
    }

    /// <summary>Frees the maps.</summary>
    public void Dispose()
    {
        foreach (var map in _maps.Values)
        {
            map.Dispose();
        }
        _maps.Clear();
    }

    /// <summary>F32 (patches, own patches): a view in the current scope, because another thread may free the maps meanwhile.</summary>
    private Tensor MapTo(PictureGrid wanted, Backend backend)
    {
        lock (_lock)
        {
            var map = Known(wanted, backend);
            return map.View(map.Shape);
        }
    }

    private Tensor Known(PictureGrid wanted, Backend backend)
    {
        if (!_maps.TryGetValue(wanted, out var map))
        {
            if (_maps.Count >= MostGrids)
            {
                Dispose();
                Version++;
            }
            float[] weights = Weights(grid, wanted);
            map = backend.From(weights, [wanted.Count, grid.Count], MemoryKind.Frozen).Keep();
            _maps.Add(wanted, map);
        }
        return map;
    }

    /// <summary>The weight of every patch of one grid in every patch of another, row by row.</summary>
    internal static float[] Weights(PictureGrid from, PictureGrid to)
    {
        var (down, across) = (Taps(from.Down, to.Down), Taps(from.Across, to.Across));
        float[] weights = new float[to.Count * from.Count];
        for (int i = 0; i < to.Down; i++)
        {
            for (int j = 0; j < to.Across; j++)
            {
                var row = weights.AsSpan((i * to.Across + j) * from.Count, from.Count);
                foreach (var (y, wy) in down[i])
                {
                    foreach (var (x, wx) in across[j])
                    {
                        row[y * from.Across + x] += (float)(wy * wx);
                    }
                }
            }
        }
        return weights;
    }

    /// <summary>The four neighbours of each point of a line and their weights. Points lie at the middles of equal parts, and the line goes
    /// on with its ends.</summary>
    private static (int At, double Weight)[][] Taps(int from, int to)
    {
        double scale = (double)from / to;
        return [.. Enumerable.Range(0, to).Select(i =>
        {
            double at = (i + 0.5) * scale - 0.5;
            int floor = (int)Math.Floor(at);
            return Enumerable.Range(floor - 1, 4).Select(tap => (Math.Clamp(tap, 0, from - 1), Cubic(Math.Abs(at - tap)))).ToArray();
        })];
    }

    /// <summary>Keys' kernel: weight of a neighbour at a distance.</summary>
    private static double Cubic(double distance) => distance <= 1 ? ((A + 2) * distance - (A + 3)) * distance * distance + 1
        : distance < 2 ? ((A * distance - 5 * A) * distance + 8 * A) * distance - 4 * A : 0;
}
