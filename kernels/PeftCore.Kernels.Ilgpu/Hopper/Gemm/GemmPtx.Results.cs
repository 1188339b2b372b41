using System.Text;

namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>The macros from sums in registers to a result in memory. Lane l of warp w holds, of every eight columns, columns 2(l mod 4) and
/// the next in row 16w + l/4 (acc4j, acc4j+1) and in the row eight below (acc4j+2, acc4j+3).</summary>
internal sealed partial class GemmPtx
{
    private readonly ResultPtx _results = new(shape.TileN, 0, shape.Bf16Result, shape.Store);

    private bool WriteResults(StringBuilder text, string name, string[] a)
    {
        switch (name)
        {
            case "scale": _results.Scale(text, a[0]); break;
            case "bias": _results.Bias(text, a); break;
            case "add": _results.Elements(text, a, add: true); break;
            case "store" when shape.Store == ResultStore.Copied: CopyOut(text, a); break;
            case "store": _results.Elements(text, a, add: false); break;
            case "store_partial": StorePartial(text, a); break;
            case "signal": Signal(text, a); break;
            case "add_partial": AddPartial(text, a); break;
            case "share_partial": SharePartial(text); break;
            case "reduce": Reduce(text, a); break;
            default: return false;
        }
        return true;
    }

    // Arguments: those of ResultPtx.Elements, then the index of the result's map, and the column and row of the warpgroup's part. 64
    // columns at a time, through two blocks in turn.
    private void CopyOut(StringBuilder text, string[] a)
    {
        text.Append("{\n.reg .u32 at, lane, swizzle, column, to;\n.reg .u64 map;\n.reg .b32 h<4>;\n");
        Add(text, $"mad.wide.u32 map, {a[5]}, {MapBytes}, maps;\nmov.u32 lane, %tid.x;\nand.b32 at, lane, 0x60;\nshr.u32 at, at, 1;\n");
        // Lanes 0-15 address the rows of the first eight columns, lanes 16-31 those of the next eight.
        text.Append("and.b32 to, lane, 15;\nadd.u32 at, at, to;\nmad.lo.u32 at, at, 128, staged;\nshr.u32 swizzle, lane, 4;\n" +
            "and.b32 swizzle, swizzle, 1;\n");
        text.Append("and.b32 to, lane, 7;\nxor.b32 swizzle, swizzle, to;\nshl.b32 swizzle, swizzle, 4;\n");
        for (int chunk = 0; chunk < shape.TileN / 64; chunk++)
        {
            int block = chunk % 2 * GemmShape.SwizzleBlockBytes;
            text.Append("@lead cp.async.bulk.wait_group.read 1;\nbar.sync mine, 128;\n");
            for (int pair = 0; pair < 4; pair++)
            {
                int first = (32 * chunk) + (8 * pair);
                for (int i = 0; i < 4; i++)
                {
                    Add(text, $"cvt.rn.bf16x2.f32 h{i}, {Name(first + (2 * i) + 1)}, {Name(first + (2 * i))};\n");
                }
                Add(text, $"xor.b32 to, swizzle, {32 * pair};\nadd.u32 to, to, at;\n");
                Add(text, $"stmatrix.sync.aligned.m8n8.x4.shared.b16 [to+{block}], {{h0, h1, h2, h3}};\n");
            }
            Add(text, $"fence.proxy.async.shared::cta;\nbar.sync mine, 128;\nadd.u32 column, {a[6]}, {64 * chunk};\n");
            Add(text, $"add.u32 to, staged, {block};\n");
            Add(text, $"@lead cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [map, {{column, {a[7]}}}], [to];\n");
            Add(text, $"@lead cp.async.bulk.commit_group;\n");
        }
        text.Append("}\n");
    }

    // Argument: address of the thread's first four numbers of a partial sum; the next four follow those of the warpgroup's other threads.
    private void StorePartial(StringBuilder text, string[] a)
    {
        for (int i = 0; i < Registers; i += 4)
        {
            Add(text, $"st.global.v4.f32 [{a[0]}+{512 * i}], {{{Name(i)}, {Name(i + 1)}, {Name(i + 2)}, {Name(i + 3)}}};\n");
        }
    }

    // Argument: address of the flag to set, once the warpgroup's partial sum is written.
    private static void Signal(StringBuilder text, string[] a) =>
        Add(text, $"barrier.sync mine, 128;\n@lead fence.acq_rel.gpu;\n@lead st.release.gpu.global.u32 [{a[0]}], 1;\n");

    // Arguments: addresses of a partial sum and its flag. Waits for the flag, adds the sum, and clears the flag for the next launch.
    private void AddPartial(StringBuilder text, string[] a)
    {
        Add(text, $"{{\n.reg .u32 flag;\n.reg .pred waits;\n.reg .f32 x<4>;\n@!lead bra TOLD;\nAGAIN:\n");
        Add(text, $"ld.acquire.gpu.global.u32 flag, [{a[1]}];\n");
        Add(text, $"setp.eq.u32 waits, flag, 0;\n@waits bra AGAIN;\nst.relaxed.gpu.global.u32 [{a[1]}], 0;\nTOLD:\n");
        Add(text, $"barrier.sync mine, 128;\n");
        for (int i = 0; i < Registers; i += 4)
        {
            Add(text, $"ld.global.cg.v4.f32 {{x0, x1, x2, x3}}, [{a[0]}+{512 * i}];\n");
            for (int j = 0; j < 4; j++)
            {
                Add(text, $"add.f32 {Name(i + j)}, {Name(i + j)}, x{j};\n");
            }
        }
        text.Append("}\n");
    }

    // Writes the thread block's partial sum over the stages in its shared memory, where the first thread block of the cluster reads it.
    private void SharePartial(StringBuilder text)
    {
        text.Append("{\n.reg .u32 at, rank;\n.reg .pred other;\nbar.sync 3, 256;\nmov.u32 rank, %cluster_ctarank;\n" +
            "setp.ne.u32 other, rank, 0;\n");
        text.Append("mov.u32 at, %tid.x;\nmad.lo.u32 at, at, 16, sbase;\n");
        for (int i = 0; i < Registers; i += 4)
        {
            Add(text, $"@other st.shared.v4.f32 [at+{1024 * i}], {{{Name(i)}, {Name(i + 1)}, {Name(i + 2)}, {Name(i + 3)}}};\n");
        }
        text.Append("}\n");
    }

    // Argument: rank in the cluster of the thread block whose partial sum is added.
    private void Reduce(StringBuilder text, string[] a)
    {
        Add(text, $"{{\n.reg .u32 at;\n.reg .f32 x<4>;\nmov.u32 at, %tid.x;\nmad.lo.u32 at, at, 16, sbase;\n");
        Add(text, $"mapa.shared::cluster.u32 at, at, {a[0]};\n");
        for (int i = 0; i < Registers; i += 4)
        {
            Add(text, $"ld.shared::cluster.v4.f32 {{x0, x1, x2, x3}}, [at+{1024 * i}];\n");
            for (int j = 0; j < 4; j++)
            {
                Add(text, $"add.f32 {Name(i + j)}, {Name(i + j)}, x{j};\n");
            }
        }
        text.Append("}\n");
    }

    private static string Name(int register) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"acc{register}");
}
