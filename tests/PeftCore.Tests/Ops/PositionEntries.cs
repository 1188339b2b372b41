using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

/// <summary>Entries of rotary positions.</summary>
internal static class PositionEntries
{
    public static IEnumerable<OpEntry> All()
    {
        yield return Rope("rope", interleaved: false, padding: 0, rest: 0);
        yield return Rope("rope, interleaved pairs", interleaved: true, padding: 0, rest: 0);
        yield return Rope("rope, part of the columns of some heads", interleaved: false, padding: 2, rest: 3);
    }

    /// <summary>Heads of 2·half + rest columns, of which the rest is not rotated, with padding columns before, between and after.</summary>
    private static OpEntry Rope(string name, bool interleaved, int padding, int rest) => new(name, ["positions: x"], size =>
    {
        var (batch, length, heads, half) = size.Pick((1, 1, 1, 1), (2, 3, 2, 2), (2, 2, 2, 2), (2, 33, 3, 18), (1, 0, 2, 2));
        int dim = 2 * half + rest, stride = dim + padding, columns = heads * stride + padding;
        int[] positions = [.. Enumerable.Range(0, batch * length).Select(i => (i * 5 + 3) % 37)];
        double[] frequencies = [.. Enumerable.Range(0, half).Select(i => Math.Pow(10, -2.0 * i / (2 * half)))];
        return new OpSample([OpInput.Of("x", batch, length, columns)], Apply,
            v => Naive.Rope(v[0], columns, heads, padding, stride, positions, frequencies, interleaved));

        Tensor Apply(Tensor[] t)
        {
            double[] angles = [.. Enumerable.Range(0, 37).SelectMany(p => frequencies.Select(f => p * f))];
            var backend = t[0].Backend;
            var tables = new RopeTables(backend.From(Array.ConvertAll(angles, a => (float)Math.Cos(a)), [37, half]),
                backend.From(Array.ConvertAll(angles, a => (float)Math.Sin(a)), [37, half]), interleaved);
            return new Heads(t[0], heads, dim, padding, stride).Rope(tables, OpCatalog.Ids(t[0], positions, batch * length));
        }
    })
    { Consumes = true };
}
