using System.Text;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>From sums in registers to a result in memory. Lane l of warp w holds, of every eight columns, columns 2(l mod 4) and the next
/// in row 16w + l/4 (acc4j, acc4j+1) and in the row eight below (acc4j+2, acc4j+3).</summary>
internal sealed partial class ProductPtx
{
    private int Bytes => shape.Narrow ? 2 : 4;

    private bool WriteResults(StringBuilder text, string name, string[] a)
    {
        switch (name)
        {
            case "scale": Scale(text, a); break;
            case "bias": Bias(text, a); break;
            case "add": Elements(text, a, add: true); break;
            case "store" when shape.Store == ResultStore.Copied: CopyOut(text, a); break;
            case "store": Elements(text, a, add: false); break;
            case "part": Part(text, a); break;
            case "tell": Tell(text, a); break;
            case "gather": Gather(text, a); break;
            case "share": Share(text); break;
            case "fold": Fold(text, a); break;
            default: return false;
        }
        return true;
    }

    private void Scale(StringBuilder text, string[] a)
    {
        for (int i = 0; i < Registers; i++)
        {
            Add(text, $"mul.f32 acc{i}, acc{i}, {a[0]};\n");
        }
    }

    // Address of the thread's first entry of the row, columns left from there, whether it is BF16.
    private void Bias(StringBuilder text, string[] a)
    {
        text.Append("{\n.reg .pred here, narrow, wide;\n.reg .u32 size;\n.reg .b16 h, zero;\n.reg .b32 bits;\n.reg .f32 x;\n.reg .u64 from;\nmov.b16 zero, 0;\n");
        Add(text, $"setp.ne.s32 narrow, {a[2]}, 0;\nselp.u32 size, 2, 4, narrow;\n");
        for (int j = 0; j < shape.TileN / 8; j++)
        {
            for (int i = 0; i < 2; i++)
            {
                Add(text, $"mad.wide.u32 from, size, {(8 * j) + i}, {a[0]};\nmov.b32 bits, 0;\nmov.b16 h, 0;\nsetp.gt.s32 here, {a[1]}, {(8 * j) + i};\n");
                Add(text, $"and.pred wide, here, narrow;\n@wide ld.global.nc.b16 h, [from];\nmov.b32 bits, {{zero, h}};\n");
                Add(text, $"not.pred wide, narrow;\nand.pred wide, wide, here;\n@wide ld.global.nc.b32 bits, [from];\nmov.b32 x, bits;\n");
                Add(text, $"add.f32 acc{(4 * j) + i}, acc{(4 * j) + i}, x;\nadd.f32 acc{(4 * j) + 2 + i}, acc{(4 * j) + 2 + i}, x;\n");
            }
        }
        text.Append("}\n");
    }

    // Address of the thread's first element, rows and columns left from there, bytes of eight rows, bytes from a column to the next (and what CopyOut needs).
    private void Elements(StringBuilder text, string[] a, bool add)
    {
        text.Append("{\n.reg .pred rowin, here;\n.reg .u64 at, from;\n.reg .f32 x, y;\n.reg .b32 bits;\n.reg .b16 h, zero;\n");
        Add(text, $"mov.u64 at, {a[0]};\nmov.b16 zero, 0;\n");
        for (int half = 0; half < 2; half++)
        {
            Add(text, $"setp.gt.s32 rowin, {a[1]}, {8 * half};\n");
            for (int j = 0; j < shape.TileN / 8; j++)
            {
                int first = (4 * j) + (2 * half);
                if (shape.Store != ResultStore.Singles)
                {
                    Add(text, $"setp.gt.and.s32 here, {a[2]}, {8 * j}, rowin;\n");
                    Pair(text, first, 8 * j * Bytes, add);
                    continue;
                }
                for (int i = 0; i < 2; i++)
                {
                    Add(text, $"setp.gt.and.s32 here, {a[2]}, {(8 * j) + i}, rowin;\nmad.wide.u32 from, {a[4]}, {(8 * j) + i}, at;\n");
                    Single(text, first + i, add);
                }
            }
            Add(text, $"add.u64 at, at, {a[3]};\n");
        }
        text.Append("}\n");
    }

    private void Pair(StringBuilder text, int first, int offset, bool add)
    {
        string acc = Name(first), next = Name(first + 1);
        if (!add)
        {
            text.Append(shape.Narrow ? $"cvt.rn.bf16x2.f32 bits, {next}, {acc};\n" : "");
            Add(text, shape.Narrow ? (FormattableString)$"@here st.global.b32 [at+{offset}], bits;\n" : $"@here st.global.v2.f32 [at+{offset}], {{{acc}, {next}}};\n");
            return;
        }
        if (shape.Narrow)
        {
            Add(text, $"mov.b32 bits, 0;\n@here ld.global.b32 bits, [at+{offset}];\n");
            text.Append("{\n.reg .b32 low, high;\nshl.b32 low, bits, 16;\nand.b32 high, bits, 0xFFFF0000;\nmov.b32 x, low;\nmov.b32 y, high;\n}\n");
        }
        else
        {
            Add(text, $"mov.f32 x, 0f00000000;\nmov.f32 y, 0f00000000;\n@here ld.global.v2.f32 {{x, y}}, [at+{offset}];\n");
        }
        Add(text, $"add.f32 {acc}, {acc}, x;\nadd.f32 {next}, {next}, y;\n");
    }

    private void Single(StringBuilder text, int register, bool add)
    {
        string acc = Name(register);
        text.Append((shape.Narrow, add) switch
        {
            (true, true) => $"mov.b16 h, 0;\n@here ld.global.b16 h, [from];\nmov.b32 bits, {{zero, h}};\nmov.b32 x, bits;\nadd.f32 {acc}, {acc}, x;\n",
            (false, true) => $"mov.f32 x, 0f00000000;\n@here ld.global.f32 x, [from];\nadd.f32 {acc}, {acc}, x;\n",
            (true, false) => $"cvt.rn.bf16.f32 h, {acc};\n@here st.global.b16 [from], h;\n",
            (false, false) => $"@here st.global.f32 [from], {acc};\n",
        });
    }

    // Behind what Elements needs: index of the result's map, column and row of the warpgroup's part. 64 columns at a time, in two blocks by turns.
    private void CopyOut(StringBuilder text, string[] a)
    {
        text.Append("{\n.reg .u32 at, lane, swizzle, column, to;\n.reg .u64 map;\n.reg .b32 h<4>;\n");
        Add(text, $"mad.wide.u32 map, {a[5]}, {MapBytes}, maps;\nmov.u32 lane, %tid.x;\nand.b32 at, lane, 0x60;\nshr.u32 at, at, 1;\n");
        // Lanes 0-7 and 8-15 name the rows of the first eight columns, 16-23 and 24-31 those of the next eight.
        text.Append("and.b32 to, lane, 15;\nadd.u32 at, at, to;\nmad.lo.u32 at, at, 128, staged;\nshr.u32 swizzle, lane, 4;\nand.b32 swizzle, swizzle, 1;\n");
        text.Append("and.b32 to, lane, 7;\nxor.b32 swizzle, swizzle, to;\nshl.b32 swizzle, swizzle, 4;\n");
        for (int chunk = 0; chunk < shape.TileN / 64; chunk++)
        {
            int block = chunk % 2 * ProductShape.Block;
            text.Append("@lead cp.async.bulk.wait_group.read 1;\nbar.sync mine, 128;\n");
            for (int pair = 0; pair < 4; pair++)
            {
                int first = (32 * chunk) + (8 * pair);
                for (int i = 0; i < 4; i++)
                {
                    Add(text, $"cvt.rn.bf16x2.f32 h{i}, {Name(first + (2 * i) + 1)}, {Name(first + (2 * i))};\n");
                }
                Add(text, $"xor.b32 to, swizzle, {32 * pair};\nadd.u32 to, to, at;\nstmatrix.sync.aligned.m8n8.x4.shared.b16 [to+{block}], {{h0, h1, h2, h3}};\n");
            }
            Add(text, $"fence.proxy.async.shared::cta;\nbar.sync mine, 128;\nadd.u32 column, {a[6]}, {64 * chunk};\nadd.u32 to, staged, {block};\n");
            Add(text, $"@lead cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [map, {{column, {a[7]}}}], [to];\n@lead cp.async.bulk.commit_group;\n");
        }
        text.Append("}\n");
    }

    // Where the thread's share of a part lies: four numbers, then those of the other threads of its warpgroup.
    private void Part(StringBuilder text, string[] a)
    {
        for (int i = 0; i < Registers; i += 4)
        {
            Add(text, $"st.global.v4.f32 [{a[0]}+{512 * i}], {{{Name(i)}, {Name(i + 1)}, {Name(i + 2)}, {Name(i + 3)}}};\n");
        }
    }

    // Says through the flag at this address that the warpgroup's part is there.
    private static void Tell(StringBuilder text, string[] a) =>
        Add(text, $"barrier.sync mine, 128;\n@lead fence.acq_rel.gpu;\n@lead st.release.gpu.global.u32 [{a[0]}], 1;\n");

    // Adds a part when its flag says that it is there, and takes the flag back for the next launch.
    private void Gather(StringBuilder text, string[] a)
    {
        Add(text, $"{{\n.reg .u32 flag;\n.reg .pred waits;\n.reg .f32 x<4>;\n@!lead bra TOLD;\nAGAIN:\nld.acquire.gpu.global.u32 flag, [{a[1]}];\n");
        Add(text, $"setp.eq.u32 waits, flag, 0;\n@waits bra AGAIN;\nst.relaxed.gpu.global.u32 [{a[1]}], 0;\nTOLD:\nbarrier.sync mine, 128;\n");
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

    // Leaves the group's part in its shared memory, where the stages were, for the first group of the cluster.
    private void Share(StringBuilder text)
    {
        text.Append("{\n.reg .u32 at, rank;\n.reg .pred other;\nbar.sync 3, 256;\nmov.u32 rank, %cluster_ctarank;\nsetp.ne.u32 other, rank, 0;\n");
        text.Append("mov.u32 at, %tid.x;\nmad.lo.u32 at, at, 16, sbase;\n");
        for (int i = 0; i < Registers; i += 4)
        {
            Add(text, $"@other st.shared.v4.f32 [at+{1024 * i}], {{{Name(i)}, {Name(i + 1)}, {Name(i + 2)}, {Name(i + 3)}}};\n");
        }
        text.Append("}\n");
    }

    // Adds the part of the group of this rank in the cluster.
    private void Fold(StringBuilder text, string[] a)
    {
        Add(text, $"{{\n.reg .u32 at;\n.reg .f32 x<4>;\nmov.u32 at, %tid.x;\nmad.lo.u32 at, at, 16, sbase;\nmapa.shared::cluster.u32 at, at, {a[0]};\n");
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
