using PeftCore.Kernels;

namespace PeftCore.Tests.Kernels;

public sealed class RopeTests
{
    [Test]
    public void Pairs_turn_by_their_angle_and_turn_back(
        [Values] bool interleaved, [Values(2, 6, 32, 64, 70)] int rotaryDim, [Values(1, 3)] int heads, [Values] bool fused)
    {
        using WorkerPool pool = new(2);
        const int Rows = 37, Positions = 50;
        int dim = rotaryDim + 4, half = rotaryDim / 2;
        HeadLayout layout = fused ? new(3 * heads * dim, heads * dim, dim) : new(heads * dim, 0, dim);
        float[] data = Numbers.Random(1, Rows * layout.RowStride), before = [.. data];
        float[] angles = Numbers.Random(2, Positions * half, 3f);
        float[] cos = [.. angles.Select(MathF.Cos)], sin = [.. angles.Select(MathF.Sin)];
        int[] positions = [.. Enumerable.Range(0, Rows).Select(r => (r * 7) % Positions)];
        double[] expected = [.. data.Select(v => (double)v)];
        for (int r = 0; r < Rows; r++)
        {
            for (int h = 0; h < heads; h++)
            {
                int at = (r * layout.RowStride) + layout.Offset + (h * layout.HeadStride);
                for (int i = 0; i < half; i++)
                {
                    int first = at + (interleaved ? 2 * i : i), second = at + (interleaved ? (2 * i) + 1 : i + half);
                    double angle = angles[(positions[r] * half) + i], a = data[first], b = data[second];
                    expected[first] = (a * Math.Cos(angle)) - (b * Math.Sin(angle));
                    expected[second] = (b * Math.Cos(angle)) + (a * Math.Sin(angle));
                }
            }
        }

        Rope.Apply(data, Rows, heads, layout, rotaryDim, cos, sin, positions, interleaved, false, pool);
        Numbers.AssertClose(data, expected, 1e-6, 1e-6, "rotated");
        Rope.Apply(data, Rows, heads, layout, rotaryDim, cos, sin, positions, interleaved, true, pool);
        Numbers.AssertClose(data, [.. before.Select(v => (double)v)], 1e-6, 1e-6, "rotated back");
    }

    [TestCase(-1)]
    [TestCase(2)]
    public void A_position_outside_the_table_is_refused(int position)
    {
        using WorkerPool pool = new(1);
        Assert.That(
            () => Rope.Apply(new float[4], 1, 1, new HeadLayout(4, 0, 4), 4, new float[4], new float[4], [position], false, false, pool),
            Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("2 positions"));
    }
}
