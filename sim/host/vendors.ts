/** The half of KVM's run loop that each architecture gives. */
import { arm64Vendor } from '../../actors/arm64/arm64.ts';
import type { Vendor } from '../../actors/kvm/kvm-run.ts';
import { svmVendor } from '../../actors/svm/svm.ts';
import { vmxVendor } from '../../actors/vmx/vmx.ts';
import type { Arch } from '../scenario/types.ts';

export const VENDORS: Readonly<Record<Arch, Vendor>> = { amd: svmVendor, intel: vmxVendor, arm64: arm64Vendor };
